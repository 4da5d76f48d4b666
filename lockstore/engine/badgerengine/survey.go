package badgerengine

// Disk is what a folder stands on.
type Disk struct {
	Remote string // the kind of network or user-space file system; "" = none that is known
	Free   uint64 // bytes that this process may still write
}

// Survey looks at the disk under a folder that exists, without opening anything
// in it. The error is that of the system; errors.ErrUnsupported where the free
// space cannot be told (all but Linux).
func Survey(dir string) (Disk, error) {
	remote, err := remoteFS(dir)
	if err != nil {
		return Disk{}, err
	}
	free, err := freeBytes(dir)
	return Disk{Remote: remote, Free: free}, err
}

// Held says who has a folder open: nil when nobody has. Errors are [*OpenError]:
// [ErrFolderInUse] with the process, or why it cannot be told.
func Held(dir string) error {
	unlock, err := lockFolder(dir)
	if err != nil {
		return err
	}
	unlock()
	return nil
}
