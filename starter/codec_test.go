package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"rdrec/activities"
	"rdrec/internal/exitcode"
	"rdrec/workflows"
)

// markedSecret is in the spec's path of the reviews and in the import's error.
const markedSecret = "marked-secret-4711"

// verboseImporter fails with a message that contains the secret.
type verboseImporter struct{ activities.Importer }

func (verboseImporter) Import(context.Context, activities.ImportJob) error {
	return fmt.Errorf("%w: line 7 of %s is torn", activities.ErrData, markedSecret)
}

// historyBytes runs an experiment whose import fails and returns what the server stored of it.
func historyBytes(t *testing.T, c client.Client) (stored []byte, failure error) {
	t.Helper()
	reviews := filepath.Join(t.TempDir(), markedSecret+".csv")
	if err := os.WriteFile(reviews, []byte("user,item\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	failure = startShop(t, c, reviews).Get(t.Context(), nil)
	events := c.GetWorkflowHistory(t.Context(), "shop", "", false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for events.HasNext() {
		event, err := events.Next()
		if err != nil {
			t.Fatal(err)
		}
		data, err := proto.Marshal(event)
		if err != nil {
			t.Fatal(err)
		}
		stored = append(stored, data...)
	}
	return stored, failure
}

// TestEncryptedHistories runs an experiment on a real server, with and without keys, and looks for
// a secret in what the server stored. The messages for people are the same.
func TestEncryptedHistories(t *testing.T) {
	oldKey, newKey := "old="+workflows.NewPayloadKey(), "new="+workflows.NewPayloadKey()
	for name, test := range map[string]struct {
		keys  string
		plain bool
	}{"plain": {"", true}, "encrypted": {oldKey, false}} {
		t.Run(name, func(t *testing.T) {
			t.Setenv(workflows.PayloadKeys, test.keys)
			env, c := newRealEnv(t, verboseImporter{})
			stored, failure := historyBytes(t, c)
			for _, secret := range []string{markedSecret, "is torn"} {
				if found := bytes.Contains(stored, []byte(secret)); found != test.plain {
					t.Errorf("%q is in the %d bytes of the history: %t", secret, len(stored), found)
				}
			}
			if failure == nil || !strings.Contains(failure.Error(), markedSecret) {
				t.Errorf("the client reads %v", failure)
			}
			if test.plain {
				return
			}
			const encoding = "binary/encrypted"
			t.Logf("history of %d bytes: %q occurs %d times, %q %d times", len(stored), markedSecret,
				bytes.Count(stored, []byte(markedSecret)), encoding, bytes.Count(stored, []byte(encoding)))
			// Both keys while the new one replaces the old one; then the new one alone.
			t.Setenv(workflows.PayloadKeys, newKey+","+oldKey)
			if stdout, stderr := env.watch(t); !strings.Contains(stdout+stderr, "line 7 of "+markedSecret) {
				t.Errorf("with both keys, watch shows\n%s%s", stdout, stderr)
			}
			t.Setenv(workflows.PayloadKeys, newKey)
			if stdout, stderr := env.watch(t); strings.Contains(stdout+stderr, markedSecret) {
				t.Errorf("without its key, watch shows\n%s%s", stdout, stderr)
			}
		})
	}
}

// watch returns what "starter watch" prints for the shop's run.
func (env *testEnv) watch(t *testing.T) (stdout, stderr string) {
	t.Helper()
	watched := &watchedBuffer{}
	stdout, code := env.command(t, watched, "watch", "shop")
	if code == exitcode.OK {
		t.Errorf("watch: code %d", code)
	}
	return stdout, watched.String()
}

// TestPayloadKeysAreChecked reads keys of wrong forms; no message contains a key.
func TestPayloadKeysAreChecked(t *testing.T) {
	t.Parallel()
	key := workflows.NewPayloadKey()
	for keys, want := range map[string]string{
		"":                         "",
		"a=" + key:                 "",
		" a=" + key + ", b=" + key: "",
		key:                        "want ID=KEY",
		"a b=" + key:               "want ID=KEY",
		"a=" + key[:20]:            `key "a": want 32 bytes`,
		"a=" + key + ",a=" + key:   `names key "a" twice`,
	} {
		_, err := workflows.NewPayloads(keys)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%d bytes: %v, want %q", len(keys), err, want)
		}
		if err != nil && (!errors.Is(err, workflows.ErrPayloadKey) || strings.Contains(err.Error(), key[:20])) {
			t.Error(err)
		}
	}
}

// TestCodecDecryptsForTheWebUI asks the codec as a browser does, and as another site's page.
func TestCodecDecryptsForTheWebUI(t *testing.T) {
	t.Parallel()
	const ui = "http://127.0.0.1:8233"
	payloads, err := workflows.NewPayloads("a=" + workflows.NewPayloadKey())
	if err != nil {
		t.Fatal(err)
	}
	encrypted, err := payloads.Converter().ToPayloads(markedSecret)
	if err != nil {
		t.Fatal(err)
	}
	body, err := protojson.Marshal(encrypted)
	if err != nil {
		t.Fatal(err)
	}
	handler := onlyLoopback(codecHandler(payloads, ui))
	for name, test := range map[string]struct {
		host, origin string
		code         int
	}{
		"the Web UI":        {"127.0.0.1:9233", ui, http.StatusOK},
		"another site":      {"127.0.0.1:9233", "https://example.com", http.StatusForbidden},
		"no origin":         {"127.0.0.1:9233", "", http.StatusForbidden},
		"a name of another": {"example.com:9233", ui, http.StatusMisdirectedRequest},
	} {
		r := httptest.NewRequest(http.MethodPost, "http://"+test.host+"/codec/decode", bytes.NewReader(body))
		r.Header.Set("Origin", test.origin)
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		if w.Code != test.code {
			t.Errorf("%s: code %d, want %d", name, w.Code, test.code)
		}
		if w.Code != http.StatusOK {
			continue
		}
		var answer commonpb.Payloads
		var text string
		if err := protojson.Unmarshal(w.Body.Bytes(), &answer); err != nil {
			t.Fatal(err)
		}
		err := converter.GetDefaultDataConverter().FromPayloads(&answer, &text)
		if err != nil || text != markedSecret || w.Header().Get("Access-Control-Allow-Origin") != ui {
			t.Errorf("%s: %q, %v", name, text, err)
		}
	}
}
