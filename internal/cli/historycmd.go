package cli

import (
	"errors"
	"os"

	"github.com/spf13/cobra"

	"github.com/pullway/pullway/internal/fleet/record"
	"github.com/pullway/pullway/internal/report"
)

func (a *app) historyCommand() *cobra.Command {
	var most int
	c := &cobra.Command{
		Use:   "history [RUN]",
		Short: "Show the runs that were made from this machine, or one of them",
		Example: `  pullway history
  pullway history last
  pullway history 20261123T101502Z-4f2a -o json`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: a.completeRuns,
		RunE: func(_ *cobra.Command, args []string) error {
			store, err := a.store()
			if err != nil {
				return err
			}
			if len(args) == 1 {
				run, err := store.Get(args[0])
				if err != nil {
					return runError(err)
				}
				return a.show(report.NewRun(run))
			}
			runs, damaged, err := store.List(most)
			if err != nil {
				return err
			}
			return a.show(report.NewHistory(runs, damaged))
		},
	}
	c.Flags().IntVarP(&most, "most", "n", 20, "how many runs; 0 for all")
	return c
}

func (a *app) store() (record.Store, error) {
	dir, err := stateDir(os.LookupEnv, os.UserHomeDir)
	return record.Store{Dir: dir}, err
}

func runError(err error) error {
	if errors.Is(err, record.ErrNotFound) {
		return usage(err, "pullway history lists them")
	}
	return err
}

func (a *app) completeRuns(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	store, err := a.store()
	if err != nil || len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	runs, _, _ := store.List(20)
	ids := []string{"last"}
	for _, r := range runs {
		ids = append(ids, r.ID)
	}
	return ids, cobra.ShellCompDirectiveNoFileComp
}
