package report

// NightlyCounts are the counts of a nightly run. The fields without New are of all reviews so far,
// those with New of what the run ingested.
type NightlyCounts struct {
	// Rows were read from the reviews; Bad of them could not be parsed.
	Rows         int `json:"rows"`
	Bad          int `json:"bad"`
	Users        int `json:"users"`
	Items        int `json:"items"`
	Interactions int `json:"interactions"`
	// Rationales are the teacher's replies; Parsed of them could be parsed.
	Rationales int `json:"rationales"`
	Parsed     int `json:"parsed"`

	NewRows       int `json:"new_rows"`
	NewBad        int `json:"new_bad"`
	NewUsers      int `json:"new_users"`
	NewItems      int `json:"new_items"`
	NewRationales int `json:"new_rationales"`
	NewParsed     int `json:"new_parsed"`

	// Requests went to the teacher in this run, which generated Tokens for them.
	Requests int `json:"requests"`
	Tokens   int `json:"tokens"`
}

// Since returns c with the New fields set to the growth since previous. The growth of the
// rationales is 0 where c has none: they have not been counted yet.
func (c NightlyCounts) Since(previous NightlyCounts) NightlyCounts {
	c.NewRows, c.NewBad = c.Rows-previous.Rows, c.Bad-previous.Bad
	c.NewUsers, c.NewItems = c.Users-previous.Users, c.Items-previous.Items
	c.NewRationales, c.NewParsed = 0, 0
	if c.Rationales > 0 {
		c.NewRationales, c.NewParsed = c.Rationales-previous.Rationales, c.Parsed-previous.Parsed
	}
	return c
}
