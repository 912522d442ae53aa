package docs_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// shopFolder holds the files of the tutorial's shop, which sells tea and coffee.
const shopFolder = "../testdata/shop"

var updateShop = flag.Bool("shop", false, "write the files of the tutorial's shop")

// product is an article of the shop. Customers praise its features or complain.
type product struct {
	sku, title string
	features   []string
}

// assortment returns the shop's articles by line. Within a line, customers tend to buy the next
// one.
func assortment() [][]product {
	lines := []struct {
		prefix   string
		titles   []string
		features []string
	}{
		{"GRN", []string{
			"Sencha, 100 g", "Gunpowder, 100 g", "Genmaicha, 100 g", "Jasmine pearls, 50 g", "Matcha, 30 g",
			"Bamboo whisk", "Matcha bowl",
		}, []string{"aroma", "color", "taste", "leaves"}},
		{"BLK", []string{
			"Assam, 100 g", "Earl Grey, 100 g", "Darjeeling first flush, 100 g", "Lapsang Souchong, 100 g",
			"Ceylon, 250 g", "Glass teapot, 1 l", "Tea cosy",
		}, []string{"aroma", "strength", "taste", "price"}},
		{"HRB", []string{
			"Peppermint, 50 g", "Rooibos vanilla, 100 g", "Chamomile, 50 g", "Ginger and lemon, 100 g",
			"Fruit blend, 250 g", "Tea filters, 100 pieces",
		}, []string{"smell", "taste", "packaging", "sweetness"}},
		{"COF", []string{
			"House espresso, 500 g", "Decaf espresso, 500 g", "Filter roast, 500 g", "Moka pot, 6 cups",
			"Hand grinder", "Milk frother", "Descaler, 250 ml",
		}, []string{"crema", "taste", "roast", "smell"}},
	}
	var all [][]product
	for _, line := range lines {
		var row []product
		for i, title := range line.titles {
			p := product{fmt.Sprintf("%s-%03d", line.prefix, 10*i+11), title, line.features}
			if !strings.HasSuffix(title, " g") {
				p.features = []string{"handle", "finish", "weight", "price"} // an accessory
			}
			row = append(row, p)
		}
		all = append(all, row)
	}
	return all
}

// review is a row of the shop's export.
type review struct {
	order    int
	customer string
	article  product
	day      time.Time
	stars    int
	comment  string
}

// write appends the row as the shop's program exports it: semicolons, German dates, quotes where a
// comment needs them.
func (r review) write(out *strings.Builder, date string) {
	comment := r.comment
	if strings.ContainsAny(comment, `;"`) {
		comment = `"` + strings.ReplaceAll(comment, `"`, `""`) + `"`
	}
	fmt.Fprintf(out, "%d;%s;%s;%s;%d;%s\n", r.order, r.customer, r.article.sku, date, r.stars, comment)
}

// comment returns what a customer writes about an article.
func comment(random *rand.Rand, p product, stars int) string {
	pick := func(words ...string) string { return words[random.IntN(len(words))] }
	feature, other := pick(p.features...), pick(p.features...)
	praise := pick("great", "wonderful", "lovely", "really good")
	complaint := pick("disappointing", "weak", "poor", "not what I expected")
	name, _, _ := strings.Cut(p.title, ",")
	switch verdict := praise; {
	case random.IntN(15) == 0:
		return ""
	case stars < 3:
		return pick(
			fmt.Sprintf("The %s of the %s is %s and I will not order it again.", feature, name, complaint),
			fmt.Sprintf("Sorry; the %s is %s, and the %s is %s too.", feature, complaint, other, complaint))
	default:
		return pick(
			fmt.Sprintf("The %s of this %s is %s.", feature, name, verdict),
			fmt.Sprintf("I love the %s, and the %s is %s.", other, feature, verdict),
			fmt.Sprintf(`My guests called it "%s"; the %s is %s for the price.`, verdict, feature, verdict),
			fmt.Sprintf("Delivered in two days. The %s is %s, so I ordered the %s again.", feature, verdict, name))
	}
}

// shopReviews returns the reviews of 160 customers in two years, in the order of their days.
func shopReviews(random *rand.Rand) []review {
	lines := assortment()
	first := time.Date(2024, 1, 8, 0, 0, 0, 0, time.UTC)
	byDay := map[int][]review{}
	for c := range 160 {
		line, at := random.IntN(len(lines)), random.IntN(3)
		day := random.IntN(420)
		for range 5 + random.IntN(5) {
			p := lines[line][at]
			stars := []int{1, 2, 3, 4, 4, 5, 5, 5, 5}[random.IntN(9)]
			byDay[day] = append(byDay[day], review{
				customer: fmt.Sprintf("K-%05d", 10211+37*c), article: p, day: first.AddDate(0, 0, day), stars: stars,
				comment: comment(random, p, stars),
			})
			day += 3 + random.IntN(25)
			if at = (at + 1 + random.IntN(4)/3) % len(lines[line]); random.IntN(5) == 0 {
				line = random.IntN(len(lines))
				at = random.IntN(len(lines[line]))
			}
		}
	}
	var all []review
	for day := range 700 {
		all = append(all, byDay[day]...)
	}
	for i := range all {
		all[i].order = 80001 + i
	}
	return all
}

// shopFiles returns the files by name: the reviews of the first fourteen months, those of the month
// after, those of a month in which the shop's program lost most dates, and the articles.
func shopFiles() map[string]string {
	const header = "order;customer_no;sku;ordered_on;stars;comment\n"
	april, may := time.Date(2025, 3, 1, 0, 0, 0, 0, time.UTC), time.Date(2025, 4, 1, 0, 0, 0, 0, time.UTC)
	june := may.AddDate(0, 1, 0)
	names := []string{"reviews.csv", "reviews-2025-03.csv", "reviews-2025-04.csv"}
	texts := make([]strings.Builder, len(names))
	for i := range texts {
		texts[i].WriteString(header)
	}
	for i, r := range shopReviews(rand.New(rand.NewPCG(23, 1))) { //nolint:gosec // a shop, not a secret
		date := r.day.Format("02.01.2006")
		switch {
		case r.day.Before(april):
			if i == 77 || i == 402 {
				date = "00.00.0000"
			}
			r.write(&texts[0], date)
		case r.day.Before(may):
			r.write(&texts[1], date)
		case r.day.Before(june):
			if i%3 > 0 {
				date = ""
			}
			r.write(&texts[2], date)
		}
	}
	var articles strings.Builder
	articles.WriteString("sku;title\n")
	for _, line := range assortment() {
		for _, p := range line {
			fmt.Fprintf(&articles, "%s;%s\n", p.sku, p.title)
		}
	}
	files := map[string]string{"products.csv": articles.String()}
	for i, name := range names {
		files[name] = texts[i].String()
	}
	return files
}

// TestShopFiles compares the files of the tutorial's shop with their generator.
func TestShopFiles(t *testing.T) {
	t.Parallel()
	for name, want := range shopFiles() {
		path := filepath.Join(shopFolder, name)
		if *updateShop {
			if err := os.MkdirAll(shopFolder, 0o750); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(want), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		got, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, string(got)); diff != "" {
			t.Errorf("run go test ./docs -run TestShopFiles -shop (-want +got):\n%s", diff)
		}
	}
}
