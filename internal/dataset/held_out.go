package dataset

import "slices"

// WithoutHeldOut returns the explanations without those that are held out: training omits those of
// a user's last two items, validation those of the last item.
func (d *Dataset) WithoutHeldOut() Splits {
	if !d.HasExplanations() {
		return d.Explanations
	}
	type heldOut struct{ validation, test int }
	ends := make(map[int]heldOut, len(d.Users))
	for _, user := range d.Users {
		ends[user.ID] = heldOut{user.ValidationItem(), user.TestItem()}
	}
	kept := d.Explanations
	kept.Train = slices.DeleteFunc(slices.Clone(kept.Train), func(e Explanation) bool {
		return e.Item == ends[e.User].validation || e.Item == ends[e.User].test
	})
	kept.Val = slices.DeleteFunc(slices.Clone(kept.Val), func(e Explanation) bool {
		return e.Item == ends[e.User].test
	})
	return kept
}
