package review

import (
	"database/sql/driver"
	"fmt"

	"github.com/duckdb/duckdb-go/v2"
)

// function registers a Go function of texts in SQL; DuckDB calls it from its own threads.
func (s *store) function(name string, args int, do func([]string) string) error {
	text, err := duckdb.NewTypeInfo(duckdb.TYPE_VARCHAR)
	if err != nil {
		return err
	}
	inputs := make([]duckdb.TypeInfo, args)
	for i := range inputs {
		inputs[i] = text
	}
	config := duckdb.ScalarFuncConfig{InputTypeInfos: inputs, ResultTypeInfo: text}
	return duckdb.RegisterScalarUDF(s.conn, name, &function{config, do})
}

// function implements [duckdb.ScalarFunc].
type function struct {
	config duckdb.ScalarFuncConfig
	do     func([]string) string
}

// Config returns the types of the arguments and the result.
func (f *function) Config() duckdb.ScalarFuncConfig { return f.config }

// Executor returns the function that DuckDB calls for each row.
func (f *function) Executor() duckdb.ScalarFuncExecutor {
	return duckdb.ScalarFuncExecutor{RowExecutor: func(values []driver.Value) (any, error) {
		texts := make([]string, len(values))
		for i, v := range values {
			text, ok := v.(string)
			if !ok {
				return nil, fmt.Errorf("want text, got %T", v)
			}
			texts[i] = text
		}
		return f.do(texts), nil
	}}
}
