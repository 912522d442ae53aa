// Package devserver is a Temporal server and its Web UI inside our own process, for one machine:
// everything it knows is one SQLite file. In: [Options], usually from temporal-dev.yaml; out: a
// running [Server]. The steps are: check the ports, lock and if need be make the database, register
// namespaces and search attributes, start the server, start the UI. It is heavy (the server's
// modules are most of the starter's 160 MB), so only the starter and end-to-end tests import it.
package devserver

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/server/common/dynamicconfig"

	"rdrec/internal/document"
)

// Options are the keys of temporal-dev.yaml.
type Options struct {
	// IP is where server and UI listen; there is no authentication, so keep it on the loopback.
	IP string `yaml:"ip" validate:"ip"`
	// Port is the server's (gRPC); 0 takes a free one.
	Port int `yaml:"port" validate:"min=0,max=65535"`
	// UIPort is the Web UI's; 0 takes a free one, -1 starts no UI.
	UIPort int `yaml:"ui_port" validate:"min=-1,max=65535"`
	// Database is the file that keeps all histories. The schema's version is put into its name:
	// temporal.db -> temporal-0.11.db.
	Database string `yaml:"database" validate:"required"`
	// Namespaces exist from the start.
	Namespaces []string `yaml:"namespaces" validate:"min=1,unique"`
	// Retention is how long a namespace keeps finished workflows; it counts when the namespace is
	// made.
	Retention time.Duration `yaml:"retention" validate:"min=1h"`
	// LogLevel is the least level of the server's own log.
	LogLevel string `yaml:"log_level" validate:"oneof=debug info warn error"`
	// SearchAttributes are ours, by name: Keyword, Text, Int, Double, Bool, Datetime or
	// KeywordList.
	SearchAttributes map[string]string `yaml:"search_attributes" validate:"dive,oneof=Keyword Text Int Double Bool Datetime KeywordList"`
	// DynamicConfig are settings of Temporal's server by their own names.
	DynamicConfig map[string]any `yaml:"dynamic_config"`
}

// DefaultPath is where [Load] is pointed at unless told otherwise.
const DefaultPath = "temporal-dev.yaml"

// Default returns what temporal-dev.yaml says in our repository.
func Default() Options {
	return Options{
		IP: "127.0.0.1", Port: 7233, UIPort: 8233,
		Database:   ".rdrec/temporal.db",
		Namespaces: []string{"default"},
		Retention:  90 * 24 * time.Hour,
		LogLevel:   "error",
		SearchAttributes: map[string]string{
			"RdrecDataset": "Keyword", "RdrecMethod": "KeywordList", "RdrecProtocol": "Keyword",
			"RdrecStage": "Keyword", "RdrecTeacher": "Keyword", "RdrecVerdict": "Keyword",
		},
		DynamicConfig: map[string]any{
			"matching.enableFairness":                        true,
			"system.forceSearchAttributesCacheRefreshOnRead": true,
			"frontend.enableServerVersionCheck":              false,
		},
	}
}

// Load reads a settings file strictly and applies overrides such as "port=7300": a key that neither
// names has its default, and all faults come at once. A missing file at [DefaultPath] means the
// defaults.
func Load(path string, overrides []string) (Options, error) {
	o := Default()
	d := document.New(path, &o)
	text, err := os.ReadFile(path)
	switch {
	case err == nil:
		d = document.Read(path, text, &o)
	case path != DefaultPath || !errors.Is(err, fs.ErrNotExist):
		return Options{}, fmt.Errorf("reading the dev server's settings: %w", err)
	}
	for _, override := range overrides {
		d.Set(override)
	}
	if err := d.Check(); err != nil {
		return Options{}, err
	}
	if _, diagnostics := o.dynamic(); len(diagnostics) > 0 {
		for _, f := range diagnostics {
			d.AddDiagnostic(f.Key, f.Reason, "")
		}
	}
	if o.Port != 0 && o.Port == o.UIPort {
		d.AddDiagnostic("ui_port", "is the server's port too", "give the UI one of its own")
	}
	return o, d.Err()
}

// dynamic turns the dynamic configuration into the server's form; keys that the server does not
// know are faults.
func (o Options) dynamic() (dynamicconfig.StaticClient, []document.Diagnostic) {
	values := dynamicconfig.StaticClient{}
	var diagnostics []document.Diagnostic
	for _, key := range slices.Sorted(maps.Keys(o.DynamicConfig)) {
		name := fmt.Sprintf("dynamic_config[%s]", key)
		text, err := json.Marshal([]map[string]any{{"value": o.DynamicConfig[key]}})
		if err != nil {
			diagnostics = append(diagnostics, document.Diagnostic{Key: name, Reason: "has a value that cannot be read"})
			continue
		}
		var loader dynamicconfig.YamlLoader
		loader.LoadValue(dynamicconfig.MakeKey(key), text)
		if err := errors.Join(append(loader.Errors, loader.Warnings...)...); err != nil {
			diagnostics = append(diagnostics, document.Diagnostic{Key: name, Reason: "is refused by the server: " + err.Error()})
		}
		for k, v := range loader.Map {
			values[k] = v
		}
	}
	return values, diagnostics
}

// attributes returns the search attributes with the server's types.
func (o Options) attributes() map[string]enums.IndexedValueType {
	types := map[string]enums.IndexedValueType{}
	for name, typeName := range o.SearchAttributes {
		types[name] = enums.IndexedValueType(enums.IndexedValueType_shorthandValue[typeName])
	}
	return types
}
