package dataset

import (
	"io/fs"

	"rdrec/internal/untrusted"
)

// regular is a folder whose files are opened only if they are files: a named pipe would be waited
// for, and a device has no end.
type regular struct{ fs.FS }

// Open implements [fs.FS].
func (r regular) Open(name string) (fs.File, error) {
	info, err := fs.Stat(r.FS, name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, &fs.PathError{Op: "open", Path: name, Err: untrusted.ErrIrregular}
	}
	return r.FS.Open(name)
}
