package serve

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/rs/zerolog"

	"rdrec/internal/recommender"
)

//go:embed openapi.json
var document []byte

// route is one of the paths that are answered, all by GET and HEAD.
type route struct {
	path  string
	serve func(w http.ResponseWriter, r *http.Request, n *requestInfo) error
}

// routeTable is every route; openapi.json documents them.
func (s *Server) routeTable() []route {
	return []route{
		{"/recommend/{user}", s.getRecommend},
		{"/explain/{user}/{item}", s.getExplain},
		{"/healthz", getHealth},
		{"/readyz", s.getReady},
		{"/metrics", s.getMetrics},
		{"/openapi.json", getDocument},
	}
}

// requestInfo is what the access log says of a request beyond what HTTP knows.
type requestInfo struct{ model, source string }

// Handler answers all routes.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	for _, row := range s.routes {
		mux.Handle("GET "+row.path, s.instrument(row.path, row.serve))
		mux.Handle(row.path, s.instrument(row.path, func(w http.ResponseWriter, r *http.Request, _ *requestInfo) error {
			w.Header().Set("Allow", "GET, HEAD")
			return &ProblemError{Status: http.StatusMethodNotAllowed, Detail: r.Method + " is not answered", Hint: "the server is read-only: use GET"}
		}))
	}
	mux.Handle("/", s.instrument("/", func(http.ResponseWriter, *http.Request, *requestInfo) error {
		return &ProblemError{Status: http.StatusNotFound, Detail: "there is no such path", Hint: "/openapi.json lists them"}
	}))
	return mux
}

// recorder remembers what was answered.
type recorder struct {
	http.ResponseWriter
	status int
	bytes  int
}

// WriteHeader implements [http.ResponseWriter].
func (r *recorder) WriteHeader(status int) {
	r.status = status
	r.ResponseWriter.WriteHeader(status)
}

// Write implements [http.ResponseWriter].
func (r *recorder) Write(p []byte) (int, error) {
	n, err := r.ResponseWriter.Write(p)
	r.bytes += n
	return n, err
}

// instrument counts, times and logs a route's requests, bounds them, and answers errors as
// problems.
func (s *Server) instrument(path string, serve func(http.ResponseWriter, *http.Request, *requestInfo) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		started := s.now()
		seen := &recorder{ResponseWriter: w, status: http.StatusOK}
		ctx, cancel := context.WithTimeout(r.Context(), s.options.Timeout)
		defer cancel()
		n := &requestInfo{}
		err := serve(seen, r.WithContext(ctx), n)
		if err != nil {
			problemOf(err).write(seen)
		}
		took := s.now().Sub(started)
		s.metrics.requests.WithLabelValues(path, strconv.Itoa(seen.status)).Inc()
		s.metrics.seconds.WithLabelValues(path, n.source).Observe(took.Seconds())
		// The route and not the path: users' ids do not belong into logs.
		s.log.WithLevel(levelOf(seen.status, n)).Err(err).Str("method", r.Method).Str("route", path).Int("status", seen.status).
			Int("bytes", seen.bytes).Dur("ms", took.Round(time.Microsecond)).Str("model", n.model).Str("source", n.source).Msg("request")
	})
}

// levelOf is how loudly a request is logged: what asks no model comes every second.
func levelOf(status int, n *requestInfo) zerolog.Level {
	switch {
	case status >= http.StatusInternalServerError && status != http.StatusServiceUnavailable:
		return zerolog.ErrorLevel
	case n.model == "":
		return zerolog.DebugLevel
	default:
		return zerolog.InfoLevel
	}
}

// Where an answer came from.
const (
	sourceTable   = "table"
	sourceLive    = "live"
	sourcePopular = "popularity"
)

// Recommendations is the answer of /recommend/{user}.
type Recommendations struct {
	User string `json:"user"`
	// Model names the student.
	Model string `json:"model"`
	// Source is table, live or popularity; Cold says that the model does not know the user.
	Source string `json:"source"`
	Cold   bool   `json:"cold"`
	Items  []Item `json:"items"`
}

// Item is one recommendation, best first.
type Item struct {
	Rank  int    `json:"rank"`
	Item  string `json:"item"`
	Title string `json:"title,omitempty"`
	// Score is the item's log-probability; absent where the item is only popular.
	Score       *float64 `json:"score,omitempty"`
	Explanation string   `json:"explanation,omitempty"`
}

// Explanation is the answer of /explain/{user}/{item}.
type Explanation struct {
	User        string `json:"user"`
	Item        string `json:"item"`
	Title       string `json:"title,omitempty"`
	Model       string `json:"model"`
	Source      string `json:"source"`
	Explanation string `json:"explanation"`
}

func (s *Server) getRecommend(w http.ResponseWriter, r *http.Request, n *requestInfo) error {
	user, k, err := s.recommendInput(r)
	if err != nil {
		return err
	}
	g := s.models.acquire()
	if g == nil {
		return errNotReady
	}
	defer s.models.release(g)
	n.model = g.Name
	rows, source, err := s.rows(r.Context(), g, user, k)
	n.source = source
	if err != nil {
		return err
	}
	reply := Recommendations{User: user, Model: g.Name, Source: source, Cold: source == sourcePopular, Items: make([]Item, 0, k)}
	for _, row := range rows[:min(k, len(rows))] {
		item := Item{Rank: row.Rank, Item: row.Item, Title: row.Title, Explanation: row.Explanation}
		if !reply.Cold {
			item.Score = &row.Score
		}
		reply.Items = append(reply.Items, item)
	}
	return writeJSON(w, reply)
}

// rows are a user's: from the table where it has enough, else decoded now, else popular.
func (s *Server) rows(ctx context.Context, g *loadedModel, user string, k int) (rows []recommender.Row, source string, err error) {
	if g.Table != nil && k <= g.Table.Top {
		rows, ok, err := g.Table.Rows(user)
		if err != nil || ok {
			return rows, sourceTable, err
		}
	}
	if !g.Recommender.Known(user) {
		return g.Recommender.Popular(user, k), sourcePopular, nil
	}
	found := g.submit(ctx, &request{user: user})
	return found.rows, sourceLive, found.err
}

func (s *Server) getExplain(w http.ResponseWriter, r *http.Request, n *requestInfo) error {
	user, item := r.PathValue("user"), r.PathValue("item")
	if err := errors.Join(checkID("user", user), checkID("item", item), checkParameters(r)); err != nil {
		return err
	}
	g := s.models.acquire()
	if g == nil {
		return errNotReady
	}
	defer s.models.release(g)
	n.model = g.Name
	pair, err := g.Recommender.Pair(user, item)
	if err != nil {
		return err
	}
	reply := Explanation{User: user, Item: item, Title: g.Recommender.Title(pair.Item), Model: g.Name}
	if reply.Explanation, reply.Source, err = g.tableExplanation(user, item); reply.Source == sourceLive && err == nil {
		found := g.submit(r.Context(), &request{pair: pair})
		reply.Explanation, err = found.text, found.err
	}
	n.source = reply.Source
	if err != nil {
		return err
	}
	return writeJSON(w, reply)
}

// tableExplanation is the table's explanation; source is live where the student has to be asked.
func (g *loadedModel) tableExplanation(user, item string) (text, source string, err error) {
	if g.Table != nil {
		rows, _, err := g.Table.Rows(user)
		if err != nil {
			return "", sourceTable, err
		}
		for _, row := range rows {
			if row.Item == item && row.Explanation != "" {
				return row.Explanation, sourceTable, nil
			}
		}
	}
	if !g.Explains {
		return "", sourceLive, errNoExplanations
	}
	return "", sourceLive, nil
}

func getHealth(w http.ResponseWriter, _ *http.Request, _ *requestInfo) error {
	return writeJSON(w, map[string]string{"status": "alive"})
}

func (s *Server) getReady(w http.ResponseWriter, _ *http.Request, _ *requestInfo) error {
	if !s.models.ready() {
		return errNotReady
	}
	return writeJSON(w, map[string]string{"status": "ready", "model": s.models.name()})
}

func (s *Server) getMetrics(w http.ResponseWriter, r *http.Request, _ *requestInfo) error {
	s.metrics.handler().ServeHTTP(w, r)
	return nil
}

func getDocument(w http.ResponseWriter, _ *http.Request, _ *requestInfo) error {
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(document) //nolint:errcheck // nobody is there to be told
	return nil
}

// maxID is the longest id that is looked up.
const maxID = 256

func checkID(what, id string) error {
	if id == "" || len(id) > maxID {
		return &ProblemError{Status: http.StatusBadRequest, Detail: fmt.Sprintf("the %s's id has %d bytes", what, len(id)), Hint: fmt.Sprintf("ids have 1 to %d bytes", maxID)}
	}
	return nil
}

// checkParameters refuses parameters that nothing is done with.
func checkParameters(r *http.Request, known ...string) error {
	for key, values := range r.URL.Query() {
		if len(values) != 1 || !slices.Contains(known, key) {
			return &ProblemError{Status: http.StatusBadRequest, Detail: fmt.Sprintf("query parameter %q is unknown or repeated", key), Hint: "/openapi.json lists the parameters"}
		}
	}
	return nil
}

func (s *Server) recommendInput(r *http.Request) (user string, k int, err error) {
	user, k = r.PathValue("user"), min(defaultK, s.options.Top)
	if err := errors.Join(checkID("user", user), checkParameters(r, "k")); err != nil {
		return "", 0, err
	}
	if text := r.URL.Query().Get("k"); r.URL.Query().Has("k") {
		if k, err = strconv.Atoi(text); err != nil || k < 1 || k > s.options.Top {
			return "", 0, &ProblemError{Status: http.StatusBadRequest, Detail: fmt.Sprintf("k is %q", text), Hint: fmt.Sprintf("k is a number from 1 to %d", s.options.Top)}
		}
	}
	return user, k, nil
}

// defaultK is how many items are recommended where nobody says.
const defaultK = 10

func writeJSON(w http.ResponseWriter, value any) error {
	text, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("write the answer: %w", err)
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(append(text, '\n')) //nolint:errcheck // nobody is there to be told
	return nil
}

// Paths are those that are answered.
func (s *Server) Paths() []string {
	paths := make([]string, len(s.routes))
	for i, row := range s.routes {
		paths[i] = row.path
	}
	return paths
}
