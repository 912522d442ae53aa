package spec

import "rdrec/internal/document"

// Tags returns the package's own validate tags.
func Tags() []document.Rule { return tags() }
