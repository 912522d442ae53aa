// Package devserver runs a Temporal server and its Web UI in the calling process, for one machine;
// its state is one SQLite file. In: [Options], usually from temporal-dev.yaml. Out: a running
// [Server]. Steps: check the ports, lock the database and create it if it is missing, register
// namespaces and search attributes, start the server, start the UI. It is large (the server's
// modules are most of the starter's 160 MB), so only the starter and end-to-end tests import it.
package devserver

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/server/common/dynamicconfig"

	"rdrec/internal/document"
	"rdrec/internal/untrusted"
)

// Options are the keys of temporal-dev.yaml.
type Options struct {
	// IP is the address that server and UI listen on. There is no authentication: use the loopback
	// interface.
	IP string `yaml:"ip" validate:"ip"`
	// Port is the server's gRPC port; 0 means a free one.
	Port int `yaml:"port" validate:"min=0,max=65535"`
	// UIPort is the port of the Web UI; 0 means a free one, -1 means no UI.
	UIPort int `yaml:"ui_port" validate:"min=-1,max=65535"`
	// CodecEndpoint is the address of the codec with which the Web UI decrypts payloads; empty
	// means none.
	CodecEndpoint string `yaml:"codec_endpoint" validate:"omitempty,url"`
	// Database is the file with all histories. Its name gets the version of the schema: temporal.db
	// becomes temporal-0.11.db.
	Database string `yaml:"database" validate:"required"`
	// Namespaces are registered at the start.
	Namespaces []string `yaml:"namespaces" validate:"min=1,unique"`
	// Retention is the retention of finished workflows; it is applied when a namespace is
	// registered.
	Retention time.Duration `yaml:"retention" validate:"min=1h"`
	// LogLevel is the minimum level of the server's log.
	LogLevel string `yaml:"log_level" validate:"oneof=debug info warn error"`
	// DynamicConfig has settings of Temporal's server by their own names.
	DynamicConfig map[string]any `yaml:"dynamic_config"`
	// SearchAttributes has the types of the custom search attributes by name.
	SearchAttributes map[string]string `yaml:"search_attributes" validate:"dive,attribute_type"`
}

// attributeTypes returns the types that a search attribute may have.
func attributeTypes() []string {
	return []string{"Keyword", "Text", "Int", "Double", "Bool", "Datetime", "KeywordList"}
}

// DefaultPath is the default settings file.
const DefaultPath = "temporal-dev.yaml"

// Default returns the settings of the repository's temporal-dev.yaml.
func Default() Options {
	return Options{
		IP: "127.0.0.1", Port: 7233, UIPort: 8233,
		Database:   ".rdrec/temporal.db",
		Namespaces: []string{"default"},
		Retention:  90 * 24 * time.Hour,
		LogLevel:   "error",
		SearchAttributes: map[string]string{
			"RdrecBest": "Double", "RdrecDataset": "Keyword", "RdrecMethod": "KeywordList", "RdrecMetric": "Keyword",
			"RdrecProtocol": "Keyword", "RdrecStage": "Keyword", "RdrecTeacher": "Keyword", "RdrecVerdict": "Keyword",
		},
		DynamicConfig: map[string]any{
			"matching.enableFairness":                        true,
			"matching.numTaskqueueReadPartitions":            uint64(1), // as YAML decodes it
			"matching.numTaskqueueWritePartitions":           uint64(1),
			"system.forceSearchAttributesCacheRefreshOnRead": true,
			"frontend.enableServerVersionCheck":              false,
		},
	}
}

// Load reads a settings file strictly and applies overrides such as "port=7300". Missing keys have
// their default, and the error has all diagnostics at once. A missing file at [DefaultPath] means
// the defaults.
func Load(path string, overrides []string) (Options, error) {
	o := Default()
	d := document.New(path, &o)
	text, err := untrusted.ReadFile(path, untrusted.MaxSettings)
	switch {
	case err == nil:
		d = document.Read(path, text, &o)
	case path != DefaultPath || !errors.Is(err, fs.ErrNotExist):
		return Options{}, fmt.Errorf("reading the dev server's settings: %w", err)
	}
	for _, override := range overrides {
		d.Set(override)
	}
	types := document.Rule{Tag: "attribute_type", Choices: attributeTypes()}
	if err := d.Check(types); err != nil {
		return Options{}, err
	}
	if _, diagnostics := o.dynamic(); len(diagnostics) > 0 {
		for _, diagnostic := range diagnostics {
			d.AddDiagnostic(diagnostic.Key, diagnostic.Reason, "")
		}
	}
	if o.Port != 0 && o.Port == o.UIPort {
		d.AddDiagnostic("ui_port", "is the same as port", "give the UI another port")
	}
	return o, d.Err()
}

// dynamic converts the dynamic configuration to the server's form, with a diagnostic for each key
// that the server rejects.
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
			reason := "is rejected by the server: " + err.Error()
			diagnostics = append(diagnostics, document.Diagnostic{Key: name, Reason: reason})
		}
		for k, v := range loader.Map {
			values[k] = v
		}
	}
	return values, diagnostics
}

// Attributes returns the search attributes with the types of Temporal's API.
func (o Options) Attributes() map[string]enums.IndexedValueType {
	types := map[string]enums.IndexedValueType{}
	for name, typeName := range o.SearchAttributes {
		types[name] = enums.IndexedValueType(enums.IndexedValueType_shorthandValue[typeName])
	}
	return types
}
