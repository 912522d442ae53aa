package timestamp_test

import (
	"testing"
	"time"

	"rdrec/internal/timestamp"
)

// TestParse compares with times that the standard library reads in ISO form.
func TestParse(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text  string
		order timestamp.Order
		want  string // RFC 3339, empty for no time
	}{
		{"14-01-2014 12:00", timestamp.DayFirst, "2014-01-14T12:00:00Z"},
		{"14-01-2014 12:00", timestamp.None, "2014-01-14T12:00:00Z"},
		{"14-01-2014", timestamp.MonthFirst, "2014-01-14T00:00:00Z"}, // one reading
		{"01/14/2014", timestamp.None, "2014-01-14T00:00:00Z"},
		{"01/02/2014", timestamp.MonthFirst, "2014-01-02T00:00:00Z"},
		{"01/02/2014", timestamp.DayFirst, "2014-02-01T00:00:00Z"},
		{"01/02/2014", timestamp.None, ""},
		{"01/02/2014", timestamp.Either, ""},
		{"02/02/2014", timestamp.None, "2014-02-02T00:00:00Z"},
		{"1.2.2014", timestamp.None, "2014-02-01T00:00:00Z"}, // dots: day first
		{"1.2.2014", timestamp.MonthFirst, "2014-01-02T00:00:00Z"},
		{"1/14/2014 9:05 PM", timestamp.None, "2014-01-14T21:05:00Z"},
		{"1/14/2014 12:05:09 am", timestamp.None, "2014-01-14T00:05:09Z"},
		{"1/14/2014 13:05 PM", timestamp.None, ""},
		{"14/01/14", timestamp.DayFirst, "2014-01-14T00:00:00Z"},
		{"14/01/69", timestamp.DayFirst, "1969-01-14T00:00:00Z"},
		{"January 14, 2014", timestamp.None, "2014-01-14T00:00:00Z"},
		{"Jan. 14th, 2014", timestamp.None, "2014-01-14T00:00:00Z"},
		{"14 Jan 2014 09:30", timestamp.None, "2014-01-14T09:30:00Z"},
		{"14-Jan-14", timestamp.None, "2014-01-14T00:00:00Z"},
		{"14. Januar 2014", timestamp.None, "2014-01-14T00:00:00Z"},
		{"14. März 2014 um 09:30 Uhr", timestamp.None, "2014-03-14T09:30:00Z"},
		{"14 de enero de 2014", timestamp.None, "2014-01-14T00:00:00Z"},
		{"1er août 2014", timestamp.None, "2014-08-01T00:00:00Z"},
		{"2014 January 14", timestamp.None, "2014-01-14T00:00:00Z"},
		{"2014年1月14日", timestamp.None, "2014-01-14T00:00:00Z"},
		{"2014年1月14日 09:30", timestamp.None, "2014-01-14T09:30:00Z"},
		{"Tue, 14 Jan 2014 12:00:00 GMT", timestamp.None, "2014-01-14T12:00:00Z"},
		{"Tue, 14 Jan 2014 12:00:00 +0200", timestamp.None, "2014-01-14T10:00:00Z"},
		{"Tuesday, 14-Jan-14 12:00:00 UTC", timestamp.None, "2014-01-14T12:00:00Z"},
		{"Tue Jan 14 12:34:56 -0730 2014", timestamp.None, "2014-01-14T20:04:56Z"},
		{"Tue Jan 14 12:34:56 PST 2014", timestamp.None, "2014-01-14T20:34:56Z"},
		{"Tue Jan 14 12:34:56 2014", timestamp.None, "2014-01-14T12:34:56Z"},
		{"Tue Jan 14 2014 12:34:56 GMT+0100", timestamp.None, "2014-01-14T11:34:56Z"},
		{"Posted November 5, 2011.", timestamp.None, "2011-11-05T00:00:00Z"},
		{"Posted November 5.", timestamp.None, ""},
		{"2014/01/14 9:30 AM", timestamp.None, "2014-01-14T09:30:00Z"},
		{"20140114", timestamp.None, "2014-01-14T00:00:00Z"},
		{"20140114 09:30", timestamp.None, "2014-01-14T09:30:00Z"},
		{"20140114T093005Z", timestamp.None, "2014-01-14T09:30:05Z"},
		{"20140114T0930", timestamp.None, "2014-01-14T09:30:00Z"},
		{"14/Jan/2014:09:30:05 +0100", timestamp.None, "2014-01-14T08:30:05Z"},
		{"2014-01-14 09:30 UTC", timestamp.None, "2014-01-14T09:30:00Z"},
		{"2014.01.14", timestamp.None, "2014-01-14T00:00:00Z"},
		{"30/02/2014", timestamp.None, ""},
		{"14-13-2014", timestamp.None, ""},
		{"February 30, 2014", timestamp.None, ""},
		{"0/1/2014", timestamp.DayFirst, ""},
		{"1 marvellous 2014", timestamp.None, ""},
		{"good, 14 January 2014", timestamp.None, ""},
		{"14-01-2014 25:00", timestamp.None, ""},
		{"soon", timestamp.None, ""},
		{"5 stars", timestamp.None, ""},
		{"", timestamp.None, ""},
	} {
		seconds, ok := timestamp.Parse(c.text, c.order)
		got := ""
		if ok {
			got = time.Unix(seconds, 0).UTC().Format(time.RFC3339)
		}
		if got != c.want {
			t.Errorf("Parse(%q, %d) = %q, want %q", c.text, c.order, got, c.want)
		}
	}
}

func TestOrderOf(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]timestamp.Order{
		"14/01/2014": timestamp.DayFirst, "01/14/2014": timestamp.MonthFirst, "01/02/2014": timestamp.Either,
		"1.2.2014": timestamp.DayFirst, "January 2, 2014": timestamp.None, "2014-01-02": timestamp.None,
		"14/14/2014": timestamp.None, "soon": timestamp.None, "14 apples": timestamp.None,
	} {
		if got := timestamp.OrderOf(text); got != want {
			t.Errorf("OrderOf(%q) = %d, want %d", text, got, want)
		}
	}
}

// FuzzParse: no text panics, and a time that has one reading has it with every order.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{"14-01-2014 12:00", "Tue Jan 14 12:34:56 -0700 2014", "1/2/3", "年月日", "12:00 pm"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		want, ok := timestamp.Parse(text, timestamp.None)
		if !ok || timestamp.OrderOf(text) == timestamp.DayFirst {
			return
		}
		for _, order := range []timestamp.Order{timestamp.DayFirst, timestamp.MonthFirst} {
			if got, ok := timestamp.Parse(text, order); !ok || got != want {
				t.Errorf("%q with order %d is %d, %t, want %d", text, order, got, ok, want)
			}
		}
	})
}
