package dataset

// ImportSummary counts the rows of an import of raw reviews by outcome. It is written beside the
// dataset, as import.json.
type ImportSummary struct {
	// Rows counts all but blank lines: Rows = Bad + Filtered + Duplicates + Sparse + Interactions.
	Rows int `json:"rows"`
	// Bad counts the unreadable rows, which are in quarantine.jsonl.
	Bad int `json:"bad"`
	// Filtered counts the rows outside the dates or below the rating.
	Filtered int `json:"filtered"`
	// Duplicates counts later reviews of the same item by the same user.
	Duplicates int `json:"duplicates"`
	// Sparse counts the interactions of users or items below the k-core; Rounds is the number of
	// rounds until no more were dropped.
	Sparse int `json:"sparse"`
	Rounds int `json:"rounds"`
	// Users, Items and Interactions are the dataset's.
	Users        int `json:"users"`
	Items        int `json:"items"`
	Interactions int `json:"interactions"`
	// Tied counts the interactions at the same time as the user's previous one: their order is that
	// of the file.
	Tied int `json:"tied"`
	// Explanations counts the reviews for which the extractor found an explanation; Train, Val and
	// Test count them by split.
	Explanations int `json:"explanations"`
	Train        int `json:"explanations_train"`
	Val          int `json:"explanations_val"`
	Test         int `json:"explanations_test"`
	// Repeated counts the explanations of Val and Test that are the same, word for word, as one of
	// the same user in Train: some users paste one review under several items.
	Repeated int `json:"explanations_repeated"`
	// Language is the language whose word lists found the explanations. Texts counts the reviews
	// with a text (or a headline, where that is the explanation); Unexplained counts the reviews
	// without an explanation by cause.
	Language    string         `json:"language,omitempty"`
	Texts       int            `json:"texts,omitzero"`
	Unexplained map[string]int `json:"unexplained,omitempty"`
	// Features is the number of words in the lexicon.
	Features int `json:"features"`
	// Titles counts the items that have a title, BadTitles the unreadable rows of the metadata.
	Titles    int `json:"titles"`
	BadTitles int `json:"bad_titles"`
	// Replaced counts the rows whose texts or titles lost characters because they are not UTF-8.
	// OddTimes counts those dated before [FirstYear] or after [LastYear], which are kept: their
	// times may be misread.
	Replaced int `json:"replaced,omitzero"`
	OddTimes int `json:"odd_times,omitzero"`
	// Sources describes how the files were read: format, dialect, encoding and columns. PassedOver
	// names the files of a folder or pattern that have no rows, each with its reason.
	Sources    []string `json:"sources,omitempty"`
	PassedOver []string `json:"passed_over,omitempty"`
}

// The years between which reviews are plausible.
const (
	FirstYear = 1990
	LastYear  = 2050
)

// ImportPreview is what "worker import" prints: the counts of an import, and its first rows as they
// were understood.
type ImportPreview struct {
	Summary ImportSummary `json:"summary"`
	Rows    []ImportedRow `json:"rows"`
}

// ImportedRow is one review as it was understood.
type ImportedRow struct {
	// File and Line are its place; a JSON array counts its elements.
	File string `json:"file"`
	Line int64  `json:"line"`
	User string `json:"user"`
	Item string `json:"item"`
	// Time is in ISO 8601, in UTC.
	Time string `json:"time"`
	// Rating is nil if the row has none.
	Rating  *float64 `json:"rating"`
	Text    string   `json:"text"`
	Summary string   `json:"summary"`
}
