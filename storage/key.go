package storage

import (
	"fmt"
	"path"
	"strings"
	"time"
)

// Every key of the bucket is made by a function of this file.
//
//	bucket.json                                    the bucket's id, made once
//	settings.json                                  what people decided: how long runs remain
//	cas/sha256/ab/<hash>                           immutable content, named by its hash
//	stages/<stage>/<fingerprint>.json              the artifact that a stage made of its inputs
//	rationales/<teacher>/<shard>-<hash>.jsonl      finished rationales; finished shards are merged
//	checkpoints/<fingerprint>/<token>/<step>/...   training state; manifest.json is written last
//	runs/<workflow>/<run>/<name>                   a run's record (run.json) and report
//	runs/<workflow>/<run>/stages/<stage>-<fp>.json its lineage: copies of its stages' records
//	runs/<workflow>/<run>/logs/<attempt>.jsonl     what its workers logged, an object an attempt
//	nightly/<name>/current.json                    the promotion in use: its number and digest
//	nightly/<name>/promotions/<number>.json        the models promoted under a name; never changed
//	nightly/<name>/runs/<number>.json              the records of all nightly runs
//	nightly/<name>/nightly.html                    a page of the last nightly runs
//	nightly/<name>/index.json                      what a run needs of earlier ones
//	nightly/<name>/watermark.json                  how far a source was ingested into the inbox
//	exports/<model>.json                           the newest table of a model's recommendations
//	quarantine/<key>                               corrupt objects, under their old keys
//	requests/<random>/<name>.json                  one user's recommendations; removed once read
//	forgotten/<time>-<random>.json                 what was removed with a user
//	probes/<random>                                access checks of workers; deleted at once
const (
	identityKey      = "bucket.json"
	settingsKey      = "settings.json"
	probePrefix      = "probes/"
	requestPrefix    = "requests/"
	forgottenPrefix  = "forgotten/"
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

// ContentKey returns the key of the content of ref.
func ContentKey(ref Ref) string { return contentKey(ref.Digest) }

func stageKey(stage, fingerprint string) string {
	return stagePrefix + stage + "/" + fingerprint + ".json"
}

func rationaleFolder(teacher string) string { return rationalePrefix + teacher + "/" }

func checkpointFolder(fingerprint string) string { return checkpointPrefix + fingerprint + "/" }

func attemptFolder(fingerprint, token string) string {
	return checkpointFolder(fingerprint) + token + "/"
}

// stepFolder pads the step, so that keys sort by step.
func stepFolder(fingerprint, token string, step int) string {
	return attemptFolder(fingerprint, token) + fmt.Sprintf("%09d/", step)
}

// RunKey returns the key of a file of a run.
func RunKey(workflow, run, name string) string { return runPrefix + path.Join(workflow, run, name) }

// RunRecord is the file of a run's folder that records everything that the run read and made.
const RunRecord = "run.json"

// logFolder is the part of a run's folder that holds its workers' logs.
const logFolder = "logs"

func logKey(workflow, run, name string) string {
	return RunKey(workflow, run, logFolder+"/"+name+".jsonl")
}

// The objects of a request.
const (
	questionName = "question"
	replyName    = "reply"
)

func requestKey(id, name string) string { return requestPrefix + id + "/" + name + ".json" }

func forgottenKey(at time.Time, random string) string {
	return forgottenPrefix + at.UTC().Format("20060102T150405Z") + "-" + random + ".json"
}

func exportKey(model string) string { return exportPrefix + model + ".json" }

// lineageFolder is the part of a run's folder that holds its stages' records.
const lineageFolder = "stages"

func lineageKey(workflow, run, stage, fingerprint string) string {
	return RunKey(workflow, run, lineageFolder+"/"+stage+"-"+fingerprint[:12]+".json")
}

const currentName = "current.json"

// CurrentPromotionKey returns the key of the pointer to the promotion in use under a name.
func CurrentPromotionKey(name string) string { return nightlyPrefix + name + "/" + currentName }

const indexName = "index.json"

func nightlyIndexKey(name string) string { return nightlyPrefix + name + "/" + indexName }

const watermarkName = "watermark.json"

func watermarkKey(name string) string { return nightlyPrefix + name + "/" + watermarkName }

func promotionFolder(name string) string { return nightlyPrefix + name + "/promotions/" }

// PromotionKey returns the key of a promotion's record. The number is padded, so that keys sort by
// number.
func PromotionKey(name string, number int) string {
	return promotionFolder(name) + fmt.Sprintf("%06d.json", number)
}

// NightlyPageKey returns the key of the page of a name's nightly runs.
func NightlyPageKey(name string) string { return nightlyPrefix + name + "/nightly.html" }

func nightlyRunFolder(name string) string { return nightlyPrefix + name + "/runs/" }

func nightlyRunKey(name string, number int) string {
	return nightlyRunFolder(name) + fmt.Sprintf("%06d.json", number)
}

func quarantineKey(key string) string { return quarantinePrefix + key }

// validDigest reports whether s is a SHA-256 in lower-case hexadecimal.
func validDigest(s string) bool {
	return len(s) == 64 && strings.Trim(s, "0123456789abcdef") == ""
}
