package doctor

//go:generate go test -count=1 -run TestPages . -update
