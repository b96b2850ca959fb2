package record

// private relies on the folder being in the user's profile.
func private(string) error { return nil }
