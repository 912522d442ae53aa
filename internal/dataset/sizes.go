package dataset

import (
	"io/fs"
	"path"
)

// packing is how many bytes a packed byte of a folder usually holds.
const packing = 4

// Sizes returns the bytes of the files of the folder fsys, by their names in our folders. It opens
// none: a packed file counts as what it usually unpacks to.
func Sizes(fsys fs.FS) map[string]int64 {
	found := map[string]int64{}
	entries, err := fs.ReadDir(fsys, ".")
	if err != nil {
		return found // reading the folder reports it
	}
	for _, entry := range entries {
		if info, err := fs.Stat(fsys, entry.Name()); err == nil && info.Mode().IsRegular() {
			found[entry.Name()] = info.Size()
		}
	}
	return SizesOf(found)
}

// SizesOf is [Sizes] of a folder whose files have these paths and bytes.
func SizesOf(files map[string]int64) map[string]int64 {
	found := map[string]int64{}
	for name, size := range files {
		found[path.Base(name)] = size
	}
	sizes := map[string]int64{}
	for _, name := range []string{
		fileSequential, fileTimes, fileNegative, fileDatamaps, fileTitles, fileRationale, fileExplanation, fileCodes,
	} {
		candidates := names(name)
		if name == fileSequential {
			candidates = SequenceFiles()
		}
		for _, candidate := range candidates {
			size := found[candidate]
			if size == 0 {
				size = packing * found[candidate+".gz"]
			}
			if size > 0 {
				sizes[name] = size
				break
			}
		}
	}
	return sizes
}
