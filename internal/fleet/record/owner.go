package record

// NotPrivateError means that others than this operator could have written records.
type NotPrivateError struct{ Dir, Why string }

// Error tells the folder and why.
func (e *NotPrivateError) Error() string {
	return "the folder of run records " + e.Dir + " " + e.Why + ", so no record in it is to be relied on"
}

// Hint says what to do about it.
func (e *NotPrivateError) Hint() string {
	return "name a folder of your own by PULLWAY_STATE_DIR, or look at what is in it and run chmod go-w on it"
}
