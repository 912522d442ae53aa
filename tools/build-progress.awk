# Reads the output of "go build -v": a line for each compiled package, and the compiler's messages.
# It prints the messages, and how many packages are built: on a terminal in place, else a line for
# every hundred. With their total, it adds the rate and the time left at that rate.
function now() { srand(); return srand() } # the second srand returns the time that the first one set
function shown(  text, seconds, rate, left) {
	text = packages " packages built"
	if (total < packages) return text
	text = packages " of " total " packages built"
	seconds = now() - started
	if (seconds < 2) return text
	rate = packages / seconds
	left = (total - packages) / rate
	return text sprintf(", %.1f/s, %dm%02ds left", rate, left / 60, left % 60)
}
BEGIN { started = now() }
/^[^ :#]+$/ {
	packages++
	if (terminal && packages % 10 == 0) printf "\r    %-60s", shown()
	else if (!terminal && packages % 100 == 0) print "    " shown()
	fflush()
	next
}
{ print > "/dev/stderr" }
END { if (terminal && packages >= 10) printf "\r%-64s\r", "" }
