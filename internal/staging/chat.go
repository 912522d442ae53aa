package staging

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// ChatServer is an HTTP server that speaks OpenAI's chat protocol with a delay and counts its
// prompts.
type ChatServer struct {
	*httptest.Server
	mutex sync.Mutex
	// prompts counts the requests by their last user message; replied is the number of replies
	// written.
	prompts map[string]int
	replied int
	// After Limit replies (0: no limit) all others wait until Released is closed.
	Limit    int
	Released chan struct{}
	accepted int
	reached  chan struct{}
	// OnPrompt, if set, is called with each prompt and the key of the worker that sent it.
	OnPrompt func(key, prompt string)
}

// NewChatServer starts a server that takes delay for each reply.
func NewChatServer(t *testing.T, delay time.Duration) *ChatServer {
	t.Helper()
	s := &ChatServer{prompts: map[string]int{}, reached: make(chan struct{}), Released: make(chan struct{})}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var chatRequest struct {
			Messages []struct{ Role, Content string }
		}
		if err := json.NewDecoder(r.Body).Decode(&chatRequest); err != nil {
			return // the worker was killed during the request
		}
		prompt := ""
		for _, m := range chatRequest.Messages {
			if m.Role == "user" {
				prompt = m.Content
			}
		}
		blocked := s.accept(prompt)
		if s.OnPrompt != nil {
			s.OnPrompt(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "), prompt)
		}
		select {
		case <-blocked:
		case <-r.Context().Done():
			return
		}
		select {
		case <-time.After(delay):
		case <-r.Context().Done():
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{ //nolint:errcheck // the worker may be gone
			"choices": []any{map[string]any{"finish_reason": "stop", "message": map[string]any{
				"role":    "assistant",
				"content": "1. The user prefers soft hair.\n2. The item's attributes are roses and foam.",
			}}},
			"usage": map[string]any{"prompt_tokens": 20, "completion_tokens": 18},
		})
		s.mutex.Lock()
		defer s.mutex.Unlock()
		if s.replied++; s.replied == s.Limit {
			close(s.reached)
		}
	}))
	t.Cleanup(s.Close)
	return s
}

// accept counts a prompt and returns the channel that its reply waits for.
func (s *ChatServer) accept(prompt string) <-chan struct{} {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.prompts[prompt]++
	if s.Limit > 0 && s.accepted >= s.Limit {
		return s.Released
	}
	s.accepted++
	open := make(chan struct{})
	close(open)
	return open
}

// AwaitLimit waits until the server has replied to Limit prompts.
func (s *ChatServer) AwaitLimit(t *testing.T) {
	t.Helper()
	select {
	case <-s.reached:
	case <-time.After(2 * time.Minute):
		t.Fatalf("the server replied to fewer than %d prompts", s.Limit)
	}
}

// Counts maps a number of requests to the number of prompts that were sent so often.
func (s *ChatServer) Counts() map[int]int {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	n := map[int]int{}
	for _, times := range s.prompts {
		n[times]++
	}
	return n
}

// Prompts returns how often each prompt was sent.
func (s *ChatServer) Prompts() map[string]int {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return maps.Clone(s.prompts)
}
