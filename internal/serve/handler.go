package serve

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"rdrec/internal/recommender"
)

//go:embed openapi.json
var document []byte

// route is a path that is served by GET and HEAD.
type route struct {
	path  string
	serve func(w http.ResponseWriter, r *http.Request, n *requestInfo) error
	// open needs no token: probes have none.
	open bool
}

// routeTable returns all routes; openapi.json documents them.
func (s *Server) routeTable() []route {
	return []route{
		{path: "/recommend/{user}", serve: s.getRecommend},
		{path: "/explain/{user}/{item}", serve: s.getExplain},
		{path: "/healthz", serve: getHealth, open: true},
		{path: "/readyz", serve: s.getReady, open: true},
		{path: "/metrics", serve: s.getMetrics},
		{path: "/openapi.json", serve: getDocument},
	}
}

// requestInfo has the fields of the access log that a handler sets.
type requestInfo struct{ model, source string }

// Handler returns the handler of all routes.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	for _, row := range s.routes {
		if !row.open {
			row.serve = s.authenticated(row.serve)
		}
		mux.Handle("GET "+row.path, s.instrument(row.path, row.serve))
		mux.Handle(row.path, s.instrument(row.path, rejectMethod))
	}
	mux.Handle("/", s.instrument("/", rejectPath))
	return mux
}

// authenticated answers requests without the token with 401.
func (s *Server) authenticated(
	serve func(http.ResponseWriter, *http.Request, *requestInfo) error,
) func(http.ResponseWriter, *http.Request, *requestInfo) error {
	if s.options.Token == "" {
		return serve
	}
	want := sha256.Sum256([]byte(s.options.Token))
	return func(w http.ResponseWriter, r *http.Request, n *requestInfo) error {
		token, found := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		got := sha256.Sum256([]byte(token))
		if !found || subtle.ConstantTimeCompare(want[:], got[:]) != 1 {
			w.Header().Set("WWW-Authenticate", "Bearer")
			return &ProblemError{
				Status: http.StatusUnauthorized, Detail: "the token is missing or wrong",
				Hint: "send it in the header Authorization: Bearer TOKEN",
			}
		}
		return serve(w, r, n)
	}
}

func rejectMethod(w http.ResponseWriter, r *http.Request, _ *requestInfo) error {
	w.Header().Set("Allow", "GET, HEAD")
	return &ProblemError{
		Status: http.StatusMethodNotAllowed,
		Detail: "method " + r.Method + " is not supported",
		Hint:   "the server is read-only: use GET",
	}
}

func rejectPath(http.ResponseWriter, *http.Request, *requestInfo) error {
	return &ProblemError{
		Status: http.StatusNotFound, Detail: "there is no such path", Hint: "/openapi.json lists the paths",
	}
}

// recorder records the status and the size of a response.
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

// instrument counts, times and logs the requests of a route, limits their time, and writes errors
// as problems.
func (s *Server) instrument(
	path string, serve func(http.ResponseWriter, *http.Request, *requestInfo) error,
) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		started := s.now()
		response := &recorder{ResponseWriter: w, status: http.StatusOK}
		ctx, cancel := context.WithTimeout(r.Context(), s.options.Timeout)
		defer cancel()
		info := &requestInfo{}
		err := serve(response, r.WithContext(ctx), info)
		if err != nil {
			problemOf(err).write(response)
		}
		took := s.now().Sub(started)
		s.metrics.requests.WithLabelValues(path, strconv.Itoa(response.status)).Inc()
		s.metrics.seconds.WithLabelValues(path, info.source).Observe(took.Seconds())
		// The route and not the path: the log must not contain users' ids.
		s.log.WithLevel(levelOf(response.status, info)).Err(err).
			Str("method", r.Method).Str("route", path).Int("status", response.status).Int("bytes", response.bytes).
			Dur("ms", took.Round(time.Microsecond)).Str("model", info.model).Str("source", info.source).Msg("request")
	})
}

// levelOf returns the log level of a request. Requests without a model, such as health checks,
// arrive every second: debug.
func levelOf(status int, info *requestInfo) zerolog.Level {
	switch {
	case status >= http.StatusInternalServerError && status != http.StatusServiceUnavailable:
		return zerolog.ErrorLevel
	case info.model == "":
		return zerolog.DebugLevel
	default:
		return zerolog.InfoLevel
	}
}

// Sources of a response.
const (
	sourceTable   = "table"
	sourceLive    = "live"
	sourcePopular = "popularity"
)

// Recommendations is the response of /recommend/{user}.
type Recommendations struct {
	User string `json:"user"`
	// Model is the name of the student.
	Model string `json:"model"`
	// Source is table, live or popularity; Cold is true if the model does not know the user.
	Source string `json:"source"`
	Cold   bool   `json:"cold"`
	Items  []Item `json:"items"`
}

// Item is one recommendation, best first.
type Item struct {
	Rank  int    `json:"rank"`
	Item  string `json:"item"`
	Title string `json:"title,omitempty"`
	// Score is the item's log-probability; absent for a popular item.
	Score       *float64 `json:"score,omitempty"`
	Explanation string   `json:"explanation,omitempty"`
}

// Explanation is the response of /explain/{user}/{item}.
type Explanation struct {
	User        string `json:"user"`
	Item        string `json:"item"`
	Title       string `json:"title,omitempty"`
	Model       string `json:"model"`
	Source      string `json:"source"`
	Explanation string `json:"explanation"`
}

func (s *Server) getRecommend(w http.ResponseWriter, r *http.Request, info *requestInfo) error {
	user, k, err := s.recommendInput(r)
	if err != nil {
		return err
	}
	m := s.models.acquire()
	if m == nil {
		return errNotReady
	}
	defer s.models.release(m)
	info.model = m.Name
	rows, source, err := s.rows(r.Context(), m, m.known(user), k)
	info.source = source
	if err != nil {
		return err
	}
	reply := Recommendations{
		User: user, Model: m.Name, Source: source, Cold: source == sourcePopular, Items: make([]Item, 0, k),
	}
	for _, row := range rows[:min(k, len(rows))] {
		item := Item{Rank: row.Rank, Item: row.Item, Title: row.Title, Explanation: row.Explanation}
		if !reply.Cold {
			item.Score = &row.Score
		}
		reply.Items = append(reply.Items, item)
	}
	return writeJSON(w, reply)
}

// known returns the id under which the model knows a user.
func (m *loadedModel) known(user string) string {
	if m.Pseudonym == nil {
		return user
	}
	return m.Pseudonym(user)
}

// rows returns at least k rows of a user: from the table if it has that many, else decoded now, or
// the most popular items if the user is unknown.
func (s *Server) rows(
	ctx context.Context, m *loadedModel, user string, k int,
) (rows []recommender.Row, source string, err error) {
	if m.Table != nil && k <= m.Table.Top {
		rows, ok, err := m.Table.Rows(user)
		if err != nil || ok {
			return rows, sourceTable, err
		}
	}
	if !m.Recommender.Known(user) {
		return m.Recommender.Popular(user, k), sourcePopular, nil
	}
	found := m.submit(ctx, &request{user: user})
	return found.rows, sourceLive, found.err
}

func (s *Server) getExplain(w http.ResponseWriter, r *http.Request, info *requestInfo) error {
	user, item := r.PathValue("user"), r.PathValue("item")
	if err := errors.Join(checkID("user", user), checkID("item", item), checkParameters(r)); err != nil {
		return err
	}
	m := s.models.acquire()
	if m == nil {
		return errNotReady
	}
	defer s.models.release(m)
	info.model = m.Name
	pair, err := m.Recommender.Pair(m.known(user), item)
	if err != nil {
		return err
	}
	reply := Explanation{User: user, Item: item, Title: m.Recommender.Title(pair.Item), Model: m.Name}
	reply.Explanation, reply.Source, err = m.tableExplanation(m.known(user), item)
	if reply.Source == sourceLive && err == nil {
		found := m.submit(r.Context(), &request{pair: pair})
		reply.Explanation, err = found.text, found.err
	}
	info.source = reply.Source
	if err != nil {
		return err
	}
	return writeJSON(w, reply)
}

// tableExplanation returns the explanation in the table; source is live if the student must
// generate it.
func (m *loadedModel) tableExplanation(user, item string) (text, source string, err error) {
	if m.Table != nil {
		rows, _, err := m.Table.Rows(user)
		if err != nil {
			return "", sourceTable, err
		}
		for _, row := range rows {
			if row.Item == item && row.Explanation != "" {
				return row.Explanation, sourceTable, nil
			}
		}
	}
	if !m.Explains {
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
	_, _ = w.Write(document) //nolint:errcheck // the client has gone
	return nil
}

// maxID is the maximum length of an id in bytes.
const maxID = 256

func checkID(name, id string) error {
	if id == "" || len(id) > maxID {
		detail := fmt.Sprintf("the %s's id has %d bytes", name, len(id))
		return badRequest(detail, fmt.Sprintf("ids have 1 to %d bytes", maxID))
	}
	return nil
}

// checkParameters rejects unknown and repeated query parameters.
func checkParameters(r *http.Request, known ...string) error {
	query := r.URL.Query()
	for _, key := range slices.Sorted(maps.Keys(query)) {
		if len(query[key]) != 1 || !slices.Contains(known, key) {
			detail := fmt.Sprintf("query parameter %q is unknown or repeated", key)
			return badRequest(detail, "/openapi.json lists the parameters")
		}
	}
	return nil
}

// recommendInput returns the parameters of /recommend/{user}.
func (s *Server) recommendInput(r *http.Request) (user string, k int, err error) {
	user, k = r.PathValue("user"), min(defaultK, s.options.Top)
	if err := errors.Join(checkID("user", user), checkParameters(r, "k")); err != nil {
		return "", 0, err
	}
	if text := r.URL.Query().Get("k"); r.URL.Query().Has("k") {
		if k, err = strconv.Atoi(text); err != nil || k < 1 || k > s.options.Top {
			hint := fmt.Sprintf("k is a number from 1 to %d", s.options.Top)
			return "", 0, badRequest(fmt.Sprintf("k is %q", text), hint)
		}
	}
	return user, k, nil
}

// defaultK is the default number of items.
const defaultK = 10

func writeJSON(w http.ResponseWriter, value any) error {
	text, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("write the response: %w", err)
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(append(text, '\n')) //nolint:errcheck // the client has gone
	return nil
}

// Paths returns the paths of all routes.
func (s *Server) Paths() []string {
	paths := make([]string, len(s.routes))
	for i, row := range s.routes {
		paths[i] = row.path
	}
	return paths
}
