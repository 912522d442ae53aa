# Writes a small shop's reviews as CSV: 80 customers with tastes, 48 products.
# below returns a random number below n, the same in every awk.
function below(n) {
	seed = seed * 16807 % 2147483647
	return seed % n
}
BEGIN {
	split("soft light sturdy cheap bright warm quiet smooth", looks)
	split("brush lotion mirror comb soap towel candle scarf", things)
	seed = 20
	print "customer,sku,date,stars,review"
	time = 1700000000
	for (user = 0; user < 80; user++) {
		taste = below(8)
		bought = 5 + below(5)
		for (k = 0; k < bought; k++) {
			item = (8 * taste + below(12)) % 48
			time += 60 + below(4000)
			printf "c%03d,s%02d,%d,%d,The %s is %s and I like how it feels.\n", user, item, time, 3 + below(3),
				things[int(item / 6) + 1], looks[item % 8 + 1]
		}
	}
}
