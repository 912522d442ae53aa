package storage

import (
	"fmt"
	"path"
	"strings"
)

// Every key of the bucket is made by a function of this file.
//
//	cas/sha256/ab/<hash>                           immutable content, named by its hash
//	stages/<stage>/<fingerprint>.json              which artifact a stage made from exactly these inputs
//	rationales/<teacher>/<shard>-<hash>.jsonl      finished rationales; a finished shard's parts become one
//	checkpoints/<fingerprint>/<token>/<step>/...   training state; manifest.json is written last
//	runs/<workflow>/<run>/<name>                   a run's record (run.json) and report
//	runs/<workflow>/<run>/stages/<stage>-<fp>.json its lineage: a copy of each stage's record that it found or made
//	nightly/<name>/current.json                    which promotion is in use: a number and its record's hash
//	nightly/<name>/promotions/<number>.json        the models that were promoted under a name ([Promotion]); never changed
//	nightly/<name>/runs/<number>.json              what came of each night, also of those that promoted nothing
//	nightly/<name>/watermark.json                  up to where a nightly's source was drawn into its inbox
//	exports/<model>.json                           the newest table of recommendations of a model
//	nightly/<name>/nightly.html                    a page over the last of them
//	quarantine/<key>                               what could not be trusted, under its old key
const (
	casPrefix        = "cas/sha256/"
	stagePrefix      = "stages/"
	rationalePrefix  = "rationales/"
	checkpointPrefix = "checkpoints/"
	runPrefix        = "runs/"
	nightlyPrefix    = "nightly/"
	exportPrefix     = "exports/"
	quarantinePrefix = "quarantine/"
)

func contentKey(digest string) string { return casPrefix + digest[:2] + "/" + digest }

// ContentKey is where the content of ref lies.
func ContentKey(ref Ref) string { return contentKey(ref.Digest) }

func stageKey(stage, fingerprint string) string {
	return stagePrefix + stage + "/" + fingerprint + ".json"
}

func rationaleFolder(teacher string) string { return rationalePrefix + teacher + "/" }

func checkpointFolder(fingerprint string) string { return checkpointPrefix + fingerprint + "/" }

func attemptFolder(fingerprint, token string) string {
	return checkpointFolder(fingerprint) + token + "/"
}

// stepFolder pads the step, so that keys sort as steps do.
func stepFolder(fingerprint, token string, step int) string {
	return attemptFolder(fingerprint, token) + fmt.Sprintf("%09d/", step)
}

// RunKey is where a file of a run's own record lies.
func RunKey(workflow, run, name string) string { return runPrefix + path.Join(workflow, run, name) }

// RunRecord is the file of a run's folder that says all that it read and made.
const RunRecord = "run.json"

func exportKey(model string) string { return exportPrefix + model + ".json" }

// lineageFolder is the part of a run's folder that holds its stages' records.
const lineageFolder = "stages"

func lineageKey(workflow, run, stage, fingerprint string) string {
	return RunKey(workflow, run, lineageFolder+"/"+stage+"-"+fingerprint[:12]+".json")
}

const currentName = "current.json"

// CurrentPromotionKey is the key of the pointer to the promotion in use under a name.
func CurrentPromotionKey(name string) string { return nightlyPrefix + name + "/" + currentName }

const watermarkName = "watermark.json"

func watermarkKey(name string) string { return nightlyPrefix + name + "/" + watermarkName }

func promotionFolder(name string) string { return nightlyPrefix + name + "/promotions/" }

// PromotionKey is the key of a promotion's record. The number is padded, so that keys sort by number.
func PromotionKey(name string, number int) string {
	return promotionFolder(name) + fmt.Sprintf("%06d.json", number)
}

// NightlyPageKey is where the page over a name's nights lies.
func NightlyPageKey(name string) string { return nightlyPrefix + name + "/nightly.html" }

func nightlyRunFolder(name string) string { return nightlyPrefix + name + "/runs/" }

func nightlyRunKey(name string, number int) string {
	return nightlyRunFolder(name) + fmt.Sprintf("%06d.json", number)
}

func quarantineKey(key string) string { return quarantinePrefix + key }

// validDigest says whether s is a SHA-256 in lower-case hexadecimal.
func validDigest(s string) bool {
	return len(s) == 64 && strings.Trim(s, "0123456789abcdef") == ""
}
