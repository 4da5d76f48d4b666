package badgerengine

import (
	"errors"
	"path/filepath"

	"golang.org/x/sys/windows"
)

// lockFolder takes the lock that Badger takes: a file that one process can have
// open, and that is gone when it is closed.
func lockFolder(dir string) (unlock func(), err error) {
	name, err := windows.UTF16PtrFromString(filepath.Join(dir, "LOCK"))
	if err != nil {
		return nil, &OpenError{Dir: dir, Reason: err}
	}
	file, err := windows.CreateFile(name, 0, 0, nil, windows.OPEN_ALWAYS,
		windows.FILE_ATTRIBUTE_TEMPORARY|windows.FILE_FLAG_DELETE_ON_CLOSE, 0)
	switch {
	case errors.Is(err, windows.ERROR_SHARING_VIOLATION):
		return nil, inUse(dir)
	case err != nil:
		return nil, &OpenError{Dir: dir, Reason: err, Detail: "cannot be locked"}
	}
	return func() { _ = windows.CloseHandle(file) }, nil
}
