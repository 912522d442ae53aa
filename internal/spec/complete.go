package spec

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"

	"github.com/goccy/go-yaml"
)

// CompleteYAML returns the spec with every key written out, also those that [Spec.YAML] omits
// because they are empty. A comment names the value that an empty key stands for. [Parse] reads the
// spec back, with the same digest.
func (s Spec) CompleteYAML() ([]byte, error) {
	comments := yaml.CommentMap{}
	for key, text := range s.emptyMeans() {
		comments["$."+key] = []*yaml.Comment{yaml.LineComment(" " + text)}
	}
	text, err := yaml.MarshalWithOptions(completeValue(reflect.ValueOf(s)), yaml.WithComment(comments))
	if err != nil {
		return nil, fmt.Errorf("writing spec %q as YAML: %w", s.Name, err)
	}
	return text, nil
}

// CompleteJSON is [Spec.CompleteYAML] as JSON.
func (s Spec) CompleteJSON() ([]byte, error) {
	var out bytes.Buffer
	if err := writeOrdered(&out, completeValue(reflect.ValueOf(s))); err != nil {
		return nil, fmt.Errorf("writing spec %q as JSON: %w", s.Name, err)
	}
	return out.Bytes(), nil
}

// emptyMeans returns what the empty value of a key stands for in this spec.
func (s Spec) emptyMeans() map[string]string {
	means := map[string]string{}
	set := func(key, text string, empty bool) {
		if empty {
			means[key] = text
		}
	}
	set("data.indexing", s.Indexing(), s.Data.Indexing == "")
	set("teacher.max_reviews", "all", s.Teacher.MaxReviews == 0)
	set("teacher.batch", "chosen by throughput and memory", s.Teacher.Batch == 0)
	set("student.pretrained", "random weights", s.Student.Pretrained == "")
	if size, err := SizeNamed(s.Student.Size); err == nil {
		set("student.dropout", fmt.Sprintf("%g, the size's", size.Dropout), s.Student.Dropout == nil)
	}
	set("train.micro_batch", "all rows of a batch", s.Train.MicroBatch == 0)
	set("train.processes", "one", s.Train.Processes == 0)
	set("train.precision", "float32", s.Train.Precision == "")
	set("train.steps", "as many as the epochs have", s.Train.Steps == 0)
	set("train.epoch_steps", "the reference's rule", s.Train.EpochSteps == 0)
	set("train.validation_rows", "all", s.Train.ValidationRows == 0)
	set("sasrec.loss", "all", s.Sasrec.Loss == "")
	set("bsarec", "its own defaults", s.Bsarec == nil)
	set("evaluate.fusion", "none", s.Evaluate.Fusion == nil)
	set("evaluate.entailment_texts", "none", s.Evaluate.EntailmentTexts == 0)
	set("evaluate.shards", "one", s.Evaluate.Shards == 0)
	set("evaluate.sequential_users", "all", s.Evaluate.SequentialUsers == 0)
	set("evaluate.topn_users", "all", s.Evaluate.TopNUsers == 0)
	set("evaluate.explanations", "all", s.Evaluate.Explanations == 0)
	return means
}

// completeValue returns a value of a spec with every key of every struct, in their order.
func completeValue(v reflect.Value) any {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return nil
		}
		return completeValue(v.Elem())
	case reflect.Struct:
		var items yaml.MapSlice
		for i := range v.NumField() {
			if name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("yaml"), ","); name != "-" {
				items = append(items, yaml.MapItem{Key: name, Value: completeValue(v.Field(i))})
			}
		}
		return items
	case reflect.Slice:
		if v.IsNil() {
			return []string{}
		}
		return v.Interface()
	case reflect.Map:
		if v.IsNil() {
			return map[string]string{}
		}
		return v.Interface()
	default:
		return v.Interface()
	}
}

// writeOrdered writes a value of completeValue as JSON.
func writeOrdered(out *bytes.Buffer, value any) error {
	items, ok := value.(yaml.MapSlice)
	if !ok {
		text, err := json.Marshal(value)
		out.Write(text)
		return err
	}
	out.WriteByte('{')
	for i, item := range items {
		if i > 0 {
			out.WriteByte(',')
		}
		fmt.Fprintf(out, "%q:", item.Key)
		if err := writeOrdered(out, item.Value); err != nil {
			return err
		}
	}
	out.WriteByte('}')
	return nil
}
