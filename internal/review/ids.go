package review

import (
	"context"
	"fmt"

	"rdrec/internal/spec"
)

// idOrders returns, for each way to assign ids, the queries that order users and items.
//
// "random" sorts by a digest of the seed and the shop's id, which does not depend on interactions;
// package indexing has the same order of items and derives the other indexings from it.
// "appearance" is the reference's: users in the order of the file, items by first appearance in all
// users' sequences, test items included. Consecutive items of a sequence get consecutive ids, which
// leaks (docs/deviations.md 18).
func idOrders(seed int64) map[string][2]string {
	return map[string][2]string{
		spec.Random: {
			fmt.Sprintf(`SELECT u, id, row_number() OVER (ORDER BY md5('user:%d:' || id), id) AS num
				FROM user0 WHERE u IN (SELECT u FROM event)`, seed),
			fmt.Sprintf(`SELECT i, id, row_number() OVER (ORDER BY md5('item:%d:' || id), id) AS num
				FROM item0 WHERE i IN (SELECT i FROM event)`, seed),
		},
		spec.Appearance: {
			`SELECT u, id, row_number() OVER (ORDER BY first) AS num
				FROM user0 JOIN (SELECT u, min(row) AS first FROM ordered GROUP BY u) USING (u)`,
			`SELECT i, id, row_number() OVER (ORDER BY first) AS num
				FROM item0 JOIN (SELECT i, min(num * 4294967296 + pos) AS first
					FROM ordered JOIN usernum USING (u) GROUP BY i) USING (i)`,
		},
	}
}

// assignIDs sorts each user's items by time and assigns ids to users and items.
func (r *run) assignIDs(ctx context.Context) error {
	name := spec.Random
	if r.Appearance {
		name = spec.Appearance
	}
	order := idOrders(r.Seed)[name]
	for _, step := range []string{
		`CREATE TABLE ordered AS SELECT u, i, CAST(key % 72057594037927936 AS BIGINT) AS row,
			CAST(key // 72057594037927936 - 1099511627776 AS BIGINT) AS sec,
			row_number() OVER (PARTITION BY u ORDER BY key) AS pos, count(*) OVER (PARTITION BY u) AS n FROM event`,
		`CREATE TABLE usernum AS ` + order[0],
		`CREATE TABLE itemnum AS ` + order[1],
		`DROP TABLE event`,
		`DROP TABLE user0`,
		`DROP TABLE item0`,
		`CREATE TABLE sequence AS SELECT CAST(usernum.num AS INTEGER) AS "user", CAST(itemnum.num AS INTEGER) AS item,
			CAST(pos AS INTEGER) AS pos, sec, row,
			CASE WHEN pos = n THEN 'test' WHEN pos = n - 1 THEN 'val' ELSE 'train' END AS split
			FROM ordered JOIN usernum USING (u) JOIN itemnum USING (i) ORDER BY 1, 3`,
		`DROP TABLE ordered`,
	} {
		if err := r.db.exec(ctx, step); err != nil {
			return err
		}
	}
	return r.db.count(ctx, `SELECT count(*) FILTER (sec = before) FROM
		(SELECT sec, lag(sec) OVER (PARTITION BY "user" ORDER BY pos) AS before FROM sequence)`, &r.sum.Tied)
}
