# Turns the log of go test -v into a line for each row of the fault matrix.
/^--- (PASS|FAIL|SKIP): TestFault[0-9]+/ {
	name = $3
	row = substr(name, 10, 2)
	title = substr(name, 12)
	gsub(/[A-Z]/, " &", title)
	printf "%s  %-4s %8s %s\n", row, $2 == "PASS:" ? "ok" : ($2 == "SKIP:" ? "skip" : "FAIL"), $4, tolower(title)
}
