package devserver

import (
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"go.temporal.io/server/common/config"
	"go.temporal.io/server/common/persistence/sql/sqlplugin/sqlite"
	schema "go.temporal.io/server/schema/sqlite"
	"google.golang.org/protobuf/types/known/durationpb"
)

// ErrForeignDatabase means that the histories were written with another schema. A server on such a
// database runs plain workflows but fails on schedules, so it is rejected.
var ErrForeignDatabase = errors.New("the database was written by another version of Temporal's server")

// ErrDatabaseInUse means that another server has the database open.
var ErrDatabaseInUse = errors.New("another server has the database open")

// database is the locked SQLite file.
type database struct {
	path string
	lock *os.File
	sql  *config.SQL
}

// openDatabase locks the database file of the options, and creates it if it is missing.
func openDatabase(o Options) (*database, error) {
	path, others, err := versionedPath(o.Database)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("creating the database's folder: %w", err)
	}
	lock, err := lockFile(path + ".lock")
	if err != nil {
		return nil, err
	}
	d := &database{path, lock, sqlConfig(path, "wal")}
	_, err = os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist) && len(others) > 0:
		err = fmt.Errorf("%w: %q, but this version needs %q", ErrForeignDatabase, others[0], path)
	case errors.Is(err, fs.ErrNotExist):
		err = makeSchema(path)
	}
	if err == nil {
		err = makeNamespaces(d.sql, o)
	}
	if err != nil {
		return nil, errors.Join(err, d.close())
	}
	return d, nil
}

// close releases the lock.
func (d *database) close() error { return d.lock.Close() }

// versionedPath inserts the version of the schema into the file name, and lists the files of other
// versions in the same folder.
func versionedPath(name string) (path string, others []string, err error) {
	ext := filepath.Ext(name)
	base := strings.TrimSuffix(name, ext)
	path = base + "-" + schema.Version + ext
	others, err = filepath.Glob(base + "-*" + ext)
	if err != nil {
		return "", nil, fmt.Errorf("looking for databases beside %q: %w", name, err)
	}
	return path, slices.DeleteFunc(others, func(other string) bool { return other == path }), nil
}

// lockFile takes an exclusive lock, which the system releases when the process ends.
func lockFile(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("locking the database: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("%w: lock %q: %w", ErrDatabaseInUse, path, err), f.Close())
	}
	return f, nil
}

// sqlConfig returns the configuration of a database file in a journal mode. In WAL mode, a killed
// process loses no commit.
func sqlConfig(path, journal string) *config.SQL {
	return &config.SQL{
		PluginName:   sqlite.PluginName,
		DatabaseName: (&url.URL{Path: path}).EscapedPath(), // the driver parses it as a URI
		ConnectAttributes: map[string]string{
			"mode": "rwc", "journal_mode": journal, "synchronous": "normal", "busy_timeout": "10000",
		},
	}
}

// makeSchema creates the database under a temporary name and renames it, so that the file is either
// complete or absent.
func makeSchema(path string) error {
	partial := path + ".new"
	if err := os.Remove(partial); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("creating the database: %w", err)
	}
	if err := schema.SetupSchema(sqlConfig(partial, "delete")); err != nil {
		return fmt.Errorf("creating the database %q: %w", path, err)
	}
	if err := os.Rename(partial, path); err != nil {
		return fmt.Errorf("creating the database: %w", err)
	}
	return nil
}

// makeNamespaces registers the missing namespaces.
func makeNamespaces(sql *config.SQL, o Options) error {
	for _, name := range o.Namespaces {
		namespace, err := schema.NewNamespaceConfig(clusterName, name, false, o.Attributes())
		if err != nil {
			return fmt.Errorf("creating namespace %q: %w", name, err)
		}
		namespace.Detail.Config.Retention = durationpb.New(o.Retention)
		if err := schema.CreateNamespaces(sql, namespace); err != nil {
			return fmt.Errorf("creating namespace %q: %w", name, err)
		}
	}
	return nil
}
