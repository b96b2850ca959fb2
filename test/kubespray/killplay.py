"""Kills the play when a task has changed something, as SIGKILL from outside would."""

import os
import signal

from ansible.plugins.callback import CallbackBase


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "killplay"
    CALLBACK_NEEDS_ENABLED = True

    def v2_runner_on_ok(self, result):
        name = result._task.get_name().strip().split(" : ")[-1]
        if name == os.environ["KILL_PLAY_AFTER"] and result._result.get("changed"):
            os.kill(os.getpid(), signal.SIGKILL)
