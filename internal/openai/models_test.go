package openai_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rdrec/internal/openai"
)

// TestModels asks a server for its models with the right key and with a wrong one.
func TestModels(t *testing.T) {
	t.Parallel()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/v1/models" || r.Header.Get("Authorization") != "Bearer right" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		list := `{"object": "list", "data": [{"id": "small"}, {"id": "large"}]}`
		if _, err := io.WriteString(w, list); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(s.Close)
	address, err := url.Parse(s.URL + "/v1")
	if err != nil {
		t.Fatal(err)
	}
	server := openai.Server{URL: address, Model: "small"}
	models, err := openai.Models(t.Context(), server, "right")
	if diff := cmp.Diff([]string{"small", "large"}, models); diff != "" || err != nil {
		t.Errorf("models (-want +got):\n%s%v", diff, err)
	}
	_, err = openai.Models(t.Context(), server, "wrong-key")
	if err == nil || !strings.Contains(err.Error(), "401") || strings.Contains(err.Error(), "wrong-key") {
		t.Errorf("with a wrong key: %v", err)
	}
}
