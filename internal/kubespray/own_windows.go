package kubespray

import (
	"io/fs"
	"os"
)

// own does nothing: Windows files belong to who writes them.
func own(*os.File, fs.FileInfo) error { return nil }
