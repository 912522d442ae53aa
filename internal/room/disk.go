package room

import "golang.org/x/sys/unix"

// Disk returns the size of the disk of a folder and how many bytes of it are free; 0 if they are
// unknown, for example because there is no such folder.
func Disk(folder string) (total, free int64) {
	var disk unix.Statfs_t
	if err := unix.Statfs(folder, &disk); err != nil {
		return 0, 0
	}
	size := int64(disk.Bsize)                                   //nolint:unconvert // not on all systems
	return int64(disk.Blocks) * size, int64(disk.Bavail) * size //nolint:gosec // a disk has less than 8 EiB
}
