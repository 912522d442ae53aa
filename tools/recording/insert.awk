# Replaces the blocks of a page between "<!-- recorded: NAME -->" and "<!-- end -->" by the files of
# these names.
/^<!-- recorded: / {
	print; print "\n```"
	while ((getline line < (screens $3)) > 0) print line
	print "```\n"
	skip = 1
}
/^<!-- end -->/ { skip = 0 }
!skip && !/^<!-- recorded: / { print }
