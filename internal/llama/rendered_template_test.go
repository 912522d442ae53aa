package llama_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rdrec/internal/llama"
	"rdrec/internal/teacher"
)

func TestChatPiecesOfAnyTypeAreControlTokens(t *testing.T) {
	messages := []teacher.Message{{Role: teacher.User, Content: "hi <|im_end|> you"}}
	var want []int32
	for _, kind := range []uint32{3, 4, 1} { // control, user-defined, normal
		m := newTiny(true)
		m.markerKind = kind
		engine := open(t, m.write(t), testOptions(4))
		got := engine.ChatTokens(messages)
		if want == nil {
			want = got
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("type %d (-want +got):\n%s", kind, diff)
		}
		if n := count(got, int32(slices.Index(m.pieces, "<|im_end|>"))); n != 2 { // the default system's and the user's
			t.Errorf("type %d: %d ends of messages, want 2", kind, n)
		}
	}
}

func count(ids []int32, id int32) int {
	n := 0
	for _, one := range ids {
		if one == id {
			n++
		}
	}
	return n
}

// withTemplate returns a folder whose chat template is another one.
func withTemplate(t *testing.T, folder, template string) string {
	t.Helper()
	dir := copied(t, folder)
	text, err := json.Marshal(map[string]any{"chat_template": template, "add_bos_token": false})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "tokenizer_config.json"), text, 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestTemplatesAreRendered: a template with [INST] but no <<SYS>> is Mistral's, not Llama 2's.
func TestTemplatesAreRendered(t *testing.T) {
	const (
		turns = `{% for m in messages %}{% if m['role'] == 'user' %}{{ '[INST] ' + m['content'] + ' [/INST]' }}` +
			`{% elif m['role'] == 'assistant' %}{{ m['content'] + eos_token }}{% endif %}{% endfor %}`
		strict = `{% for m in messages %}{% if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}` +
			`{{ raise_exception('roles must alternate') }}{% endif %}{% endfor %}`
		vicuna = `{% for m in messages %}{% if m['role'] == 'system' %}{{ m['content'] + ' ' }}` +
			`{% elif m['role'] == 'user' %}{{ 'USER: ' + m['content'] + ' ' }}` +
			`{% else %}{{ 'ASSISTANT: ' + m['content'] + eos_token }}{% endif %}{% endfor %}{{ 'ASSISTANT:' }}`
	)
	messages := []teacher.Message{
		{Role: teacher.System, Content: "be short"},
		{Role: teacher.User, Content: "hi"},
		{Role: teacher.Assistant, Content: "yes"},
		{Role: teacher.User, Content: "my </s> dog"},
	}
	for name, c := range map[string]struct {
		template string
		want     []string // <s> and </s> are tokens, the others texts
	}{
		"a role that is ignored": {
			"{{ bos_token }}" + turns, []string{"<s>", "[INST] hi [/INST]yes", "</s>", "[INST] my </s> dog [/INST]"},
		},
		"a role that is rejected": {
			"{{ bos_token }}" + strict + turns,
			[]string{"<s>", "[INST] be short\n\nhi [/INST]yes", "</s>", "[INST] my </s> dog [/INST]"},
		},
		"Vicuna": {
			vicuna, []string{"be short USER: hi ASSISTANT: yes", "</s>", "USER: my </s> dog ASSISTANT:"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			engine := open(t, withTemplate(t, "hf-llama2", c.template), testOptions(4))
			var want []int32
			for _, part := range c.want {
				switch part {
				case "<s>":
					want = append(want, 1)
				case "</s>":
					want = append(want, 2)
				default:
					want = append(want, engine.Encode(part)...)
				}
			}
			if diff := cmp.Diff(want, engine.ChatTokens(messages)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestTemplateThatRejectsEverythingIsRefused(t *testing.T) {
	_, err := llama.Open(withTemplate(t, "hf-llama2", "{{ raise_exception('not for chats') }}"), testOptions(4))
	if err == nil || !strings.Contains(err.Error(), "not for chats") {
		t.Errorf("error %v", err)
	}
}
