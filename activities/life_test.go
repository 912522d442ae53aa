package activities

import "testing"

func TestALifeCountsAttemptsThatLostTheirWorker(t *testing.T) {
	var l life
	for attempt := 1; attempt <= 4; attempt++ {
		if l = l.next(attempt); l.Lost != attempt-1 {
			t.Errorf("attempt %d: %d lost", attempt, l.Lost)
		}
	}
	l = l.reach(10)
	if l = l.next(5); l.Lost != 0 || l.High != 10 {
		t.Errorf("after progress: %+v", l)
	}
	if l = l.reach(10).next(6); l.Lost != 1 {
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
