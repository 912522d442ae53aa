package activities

import (
	"testing"
	"time"
)

func TestAttemptHistoryCountsLostAttempts(t *testing.T) {
	var l attemptHistory
	for attempt := 1; attempt <= 4; attempt++ {
		if l = l.next(attempt); l.Lost != attempt-1 {
			t.Errorf("attempt %d: %d lost", attempt, l.Lost)
		}
	}
	l = l.advance(10)
	if l = l.next(5); l.Lost != 0 || l.MaxDone != 10 {
		t.Errorf("after progress: %+v", l)
	}
	if l = l.advance(10).next(6); l.Lost != 1 {
		t.Errorf("where the one before was already is no progress: %+v", l)
	}
	if l = l.next(9); l.Lost != 4 {
		t.Errorf("two attempts left nothing at all: %+v", l)
	}
	l.Ended = true
	if l = l.next(10); l.Lost != 0 {
		t.Errorf("an error of its own is no lost worker: %+v", l)
	}
}

func TestAttemptHistoryCountsFailures(t *testing.T) {
	var l attemptHistory
	fail := func(attempt, want int) {
		t.Helper()
		if l = l.next(attempt).fail(); l.Failed != want {
			t.Errorf("attempt %d: %d failures, want %d", attempt, l.Failed, want)
		}
		l.Ended = true
	}
	fail(1, 1)
	fail(2, 2)
	l = l.next(3) // lost its worker: neither a failure nor progress
	fail(4, 3)
	l = l.next(5)
	l.Ended = true // drained
	fail(6, 4)
	l = l.next(7).advance(1).fail()
	if l.Failed != 0 {
		t.Errorf("an attempt with progress: %d failures", l.Failed)
	}
	fail(8, 1)
	l = l.next(9).advance(2) // progressed, then lost its worker
	fail(10, 1)
}

// TestAnHourWithoutTheBucketPausesNothing adds up the delays before the twentieth failure: those of
// the retry policy (workflows/options.go), and those that follow.
func TestAnHourWithoutTheBucketPausesNothing(t *testing.T) {
	total := time.Duration(0)
	for failures := 1; failures < 20; failures++ {
		delay := retryDelay(failures)
		if delay == 0 {
			delay = min(time.Second<<(failures-1), 30*time.Second)
		}
		total += delay
	}
	if want := 106*time.Minute + 61*time.Second; total != want {
		t.Errorf("twenty failures take %s, want %s", total, want)
	}
}

func TestSuspendedDetectsMissedHeartbeats(t *testing.T) {
	then := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for later, want := range map[time.Duration]bool{
		time.Second: false, 45 * time.Second: false, 46 * time.Second: true,
	} {
		if got := suspended(then, then.Add(later), 45*time.Second); got != want {
			t.Errorf("after %s: %t, want %t", later, got, want)
		}
	}
	if suspended(then, then.Add(time.Hour), 0) {
		t.Error("an activity without a heartbeat's limit can't lose its job so")
	}
}
