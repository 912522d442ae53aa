package main

import (
	"bytes"
	"context"
	"errors"
	"go/version"
	"io/fs"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/dustin/go-humanize"
	"golang.org/x/sys/unix"

	"rdrec/internal/build"
)

// checkTools looks for the programs that are needed to build.
func (d *doctor) checkTools(ctx context.Context) {
	const onlyBuild = "; only needed to build"
	const fix = "install Go 1.26 or newer and put its bin folder on the PATH"
	switch name, err := output(ctx, "go", "env", "GOVERSION"); {
	case err != nil:
		d.warn("Go", "there is no go on the PATH"+onlyBuild, fix)
	case version.Compare(name, "go1.26") < 0:
		d.warn("Go", name+" is too old"+onlyBuild, fix)
	default:
		d.ok("Go", "%s", name)
	}
	compiler, _, _ := strings.Cut(strings.TrimSpace(os.Getenv("CXX")), " ")
	if compiler == "" {
		compiler = "c++"
	}
	if name, err := output(ctx, compiler, "--version"); err != nil {
		d.warn("C++ compiler", compiler+" does not run"+onlyBuild,
			"install one (Debian, Ubuntu: apt-get install g++), or set CXX to yours")
	} else {
		d.ok("C++ compiler", "%s", name)
	}
}

// output runs a program and returns the first line of its output.
func output(ctx context.Context, name string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	text, err := exec.CommandContext(ctx, name, args...).Output() //nolint:gosec // Go, or the user's compiler
	line, _, _ := bytes.Cut(text, []byte("\n"))
	return string(line), err
}

// checkWorker asks the worker program for its versions and its device.
func (d *doctor) checkWorker(ctx context.Context, program string) {
	worker, err := d.workerBuild(ctx, program)
	if err != nil {
		d.failWith("worker program", err)
		return
	}
	if own := readBuild().Commit; worker.Commit != own {
		d.warn("worker program", "built from "+worker.Commit+", the starter from "+own, "make build")
	} else {
		d.ok("worker program", "%s", d.workerProgram(program))
	}
	if worker.Libtorch == build.Unknown {
		d.ok("libtorch", "loaded; its version is unknown, because it has no headers here")
	} else {
		d.ok("libtorch", "%s", worker.Libtorch)
	}
	d.checkGPU(worker)
}

// driverFile is the device file of the NVIDIA driver.
const driverFile = "/dev/nvidiactl"

// checkGPU reports whether the worker uses a GPU. A machine without one is no problem.
func (d *doctor) checkGPU(worker build.Worker) {
	_, err := os.Stat(driverFile)
	switch {
	case worker.NoGPU == "":
		free := uint64(max(0, worker.FreeBytes)) //nolint:gosec // not negative
		d.ok("GPU", "%s, %s free", worker.Device, humanize.IBytes(free))
	case errors.Is(err, fs.ErrNotExist):
		d.ok("GPU", "none: there is no %s, so the worker uses the CPU", driverFile)
	case strings.Contains(worker.NoGPU, "libtorch_cuda"):
		d.warn("GPU", "not used: "+worker.NoGPU, "make build CUDA=1 (docs/setup.md)")
	default:
		d.warn("GPU", "not used: "+worker.NoGPU, "update the NVIDIA driver; nvidia-smi shows what it supports")
	}
}

// Limits of the free space of a disk, in bytes.
const (
	fewBytes    = 10 << 30
	tooFewBytes = 1 << 30
)

// checkDisk checks the free space of the current folder, in which a worker keeps temporary files,
// and of a file bucket.
func (d *doctor) checkDisk() {
	folders := []string{"."}
	if address, err := d.bucketURL(); err == nil {
		if u, err := url.Parse(address); err == nil && u.Scheme == "file" {
			folders = append(folders, filepath.FromSlash(u.Path))
		}
	}
	var checked []unix.Fsid
	for _, folder := range folders {
		var stat unix.Statfs_t
		if unix.Statfs(folder, &stat) != nil || len(checked) > 0 && checked[0] == stat.Fsid {
			continue
		}
		checked = append(checked, stat.Fsid)
		free := stat.Bavail * uint64(stat.Bsize) //nolint:gosec // a block size is positive
		found := humanize.IBytes(free) + " free in " + folder
		const fix = `"starter gc" deletes what no run needs`
		switch {
		case free < tooFewBytes:
			d.fail("disk", found, fix)
		case free < fewBytes:
			d.warn("disk", found, fix)
		default:
			d.ok("disk", "%s", found)
		}
	}
}
