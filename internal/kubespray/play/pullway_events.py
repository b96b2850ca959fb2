"""Tells what happens in a play, one line of JSON an event, to a file descriptor."""
import json
import os
import signal

from ansible.plugins.callback import CallbackBase


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "pullway_events"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.out = os.fdopen(int(os.environ["PULLWAY_EVENTS_FD"]), "w", buffering=1)

    def tell(self, **event):
        try:
            self.out.write(json.dumps(event) + "\n")
        except BrokenPipeError:
            # Nobody listens any more, so nobody holds the nodes: end as by Ctrl-C.
            os.kill(os.getpid(), signal.SIGINT)
        except (OSError, ValueError):
            pass

    def result(self, state, result):
        res = result._result if isinstance(result._result, dict) else {}
        event = {"state": state, "host": result._host.get_name(), "task": result._task.get_name()}
        if state == "ok" and res.get("changed"):
            event["state"] = "changed"
        if state in ("failed", "unreachable") and not result._task.no_log:
            event["text"] = str(res.get("msg", ""))[:1000]
        self.tell(**event)

    def v2_playbook_on_task_start(self, task, is_conditional):
        self.tell(state="task", task=task.get_name())

    def v2_playbook_on_handler_task_start(self, task):
        self.tell(state="task", task=task.get_name())

    def v2_runner_on_ok(self, result):
        self.result("ok", result)

    def v2_runner_on_failed(self, result, ignore_errors=False):
        self.result("ignored" if ignore_errors else "failed", result)

    def v2_runner_on_unreachable(self, result):
        self.result("unreachable", result)

    def v2_runner_on_skipped(self, result):
        self.result("skipped", result)

    def v2_playbook_on_stats(self, stats):
        for host in sorted(stats.processed):
            s = stats.summarize(host)
            self.tell(state="end", host=host, changed=s["changed"], failed=s["failures"], unreachable=s["unreachable"])
