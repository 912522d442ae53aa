package main

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"time"

	"rdrec/internal/document"
	"rdrec/internal/openai"
)

// checkBucket writes, reads, lists and deletes a small object. It makes no default bucket: a run
// would then belong to that one.
func (d *doctor) checkBucket(ctx context.Context) {
	const check = "bucket"
	if !d.hasBucket() {
		d.warn(check, "there is no default bucket in this folder yet", hintBucket+
			`, or start a worker that makes the default: bin/worker --bucket "file://$PWD/`+stateFolder+`/bucket"`)
		return
	}
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	bucket, err := d.openBucket(ctx)
	if err != nil {
		d.failWith(check, err)
		return
	}
	defer bucket.Close()
	began := d.now()
	err = bucket.CheckAccess(ctx)
	took := d.now().Sub(began).Round(time.Millisecond)
	if err == nil {
		d.bucket, err = bucket.Identity(ctx)
	}
	if err != nil {
		d.fail(check, err.Error(), "give this machine the right to write, read, list and delete in the bucket")
		return
	}
	d.ok(check, "%s; writing, reading, listing and deleting an object took %s", d.bucket, took)
}

// checkSpec checks a spec, its files and its teacher.
func (d *doctor) checkSpec(ctx context.Context, path string, overrides []string) {
	s, err := readSpec(path, overrides)
	var invalid document.Error
	switch {
	case errors.As(err, &invalid):
		for _, problem := range invalid.Diagnostics {
			d.fail("spec", problem.String(), problem.Hint)
		}
		return
	case err != nil:
		d.failWith("spec", err)
		return
	}
	d.ok("spec", "%s", path)
	problems := findFiles(s)
	for _, p := range problems {
		fix, _, _ := strings.Cut(p.Hint, "; --no-files")
		d.fail(p.Key, p.Reason, fix)
	}
	if len(problems) == 0 {
		d.ok("files", "all that the spec names are here, or in buckets")
	}
	d.checkURLs(ctx, s)
	if server, ok := strings.CutPrefix(s.Teacher.Model, "openai:"); ok {
		d.checkTeacher(ctx, server)
	}
}

// checkTeacher asks a teacher's server for its models.
func (d *doctor) checkTeacher(ctx context.Context, address string) {
	const check = "teacher"
	server, err := openai.Parse(address)
	if err != nil {
		d.fail(check, err.Error(), "")
		return
	}
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	models, err := openai.Models(ctx, server, openai.Key(os.Getenv))
	switch {
	case err != nil:
		d.fail(check, err.Error(), "start the server; its key comes from RDREC_TEACHER_KEY or OPENAI_API_KEY")
	case !slices.Contains(models, server.Model):
		d.warn(check, server.URL.String()+" does not list the model "+server.Model,
			document.Suggest(server.Model, models))
	default:
		d.ok(check, "%s", server)
	}
}
