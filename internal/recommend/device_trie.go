package recommend

import "rdrec/internal/torch"

// deviceCatalog is what a catalog keeps on the model's device, for all batches.
type deviceCatalog struct {
	device torch.Device
	tokens *torch.Tensor // [tokens]
	tables *trieTables   // of the whole catalog; nil before the first search on the device
}

// onDevice returns the catalog's tensors on a device. They belong to the catalog.
func (c *Catalog) onDevice(device torch.Device) *deviceCatalog {
	if c.cached != nil && c.cached.device == device {
		return c.cached
	}
	c.Free()
	s := torch.NewScope()
	defer s.Close()
	tokens := torch.Keep(s.FromInt64(c.tokens, int64(len(c.tokens))).ToDevice(device))
	c.cached = &deviceCatalog{device: device, tokens: tokens}
	return c.cached
}

// tablesOn returns the tables of the whole catalog on a device. They belong to the catalog.
func (c *Catalog) tablesOn(device torch.Device) *trieTables {
	cached := c.onDevice(device)
	if cached.tables == nil {
		s := torch.NewScope()
		defer s.Close()
		var data packedInts
		maxDegree := c.pack(&data, []*Trie{c.Trie})
		cached.tables = newTrieTables(data.upload(s, device), maxDegree)
		for _, table := range cached.tables.all() {
			*table = torch.Keep((*table).Clone()) // the parts share one allocation
		}
	}
	return cached.tables
}

// Free frees what the catalog keeps on a device. It can still be used.
func (c *Catalog) Free() {
	if c == nil || c.cached == nil {
		return
	}
	c.cached.tokens.Free()
	if c.cached.tables != nil {
		for _, table := range c.cached.tables.all() {
			(*table).Free()
		}
	}
	c.cached = nil
}

// packedInts are vectors of integers that are copied to a device at once.
type packedInts struct {
	data  []int64
	sizes []int64
}

func (p *packedInts) add(vectors ...[]int64) {
	for _, vector := range vectors {
		p.data, p.sizes = append(p.data, vector...), append(p.sizes, int64(len(vector)))
	}
}

// upload returns the vectors on a device.
func (p *packedInts) upload(s *torch.Scope, device torch.Device) []*torch.Tensor {
	return s.FromInt64(p.data, int64(len(p.data))).ToDevice(device).Split(0, p.sizes...)
}

// trieTables are tries as flat tables on the device, one trie after the other. Nodes and edges are
// numbered consecutively.
type trieTables struct {
	first, degree *torch.Tensor // [nodes], a node's first edge and its number of edges
	column, child *torch.Tensor // [edges], the index of the token in the catalog, and the child
	item          *torch.Tensor // [nodes], the item that ends here, 0 for none
	maxDegree     []int64       // by depth: the maximum number of edges of a node
}

func newTrieTables(vectors []*torch.Tensor, maxDegree []int64) *trieTables {
	return &trieTables{
		first: vectors[0], degree: vectors[1], column: vectors[2], child: vectors[3], item: vectors[4],
		maxDegree: maxDegree,
	}
}

func (t *trieTables) all() []**torch.Tensor {
	return []**torch.Tensor{&t.first, &t.degree, &t.column, &t.child, &t.item}
}

// pack adds the tables of tries to data and returns their maximum degree by depth.
func (c *Catalog) pack(data *packedInts, tries []*Trie) (maxDegree []int64) {
	var first, degree, column, child, item []int64
	for _, t := range tries {
		edges, nodes := int64(len(column)), int64(len(item))
		for node, ends := range t.item {
			first = append(first, edges+int64(t.first[node]))
			degree = append(degree, int64(t.first[node+1]-t.first[node]))
			item = append(item, int64(ends))
		}
		for edge, to := range t.child {
			column = append(column, int64(c.column[t.token[edge]]))
			child = append(child, nodes+int64(to))
		}
		for depth, degree := range t.maxDegree() {
			if depth == len(maxDegree) {
				maxDegree = append(maxDegree, 0)
			}
			maxDegree[depth] = max(maxDegree[depth], degree)
		}
	}
	data.add(first, degree, column, child, item)
	return maxDegree
}

// maxDegree returns, for each depth, the maximum number of edges of a node.
func (t *Trie) maxDegree() []int64 {
	maxDegree := make([]int64, t.depth+1)
	depth := make([]int, len(t.item))
	for node := range t.item {
		if node > 0 {
			depth[node] = depth[t.parent[node]] + 1
		}
		maxDegree[depth[node]] = max(maxDegree[depth[node]], int64(t.first[node+1]-t.first[node]))
	}
	return maxDegree
}

// deviceTrie is the constraints of a batch on the device: the tables of the whole catalog, which
// are there already, or those of each row's candidates, and masks of what each row excludes. It is
// copied to the device at once.
type deviceTrie struct {
	*trieTables
	closed   *torch.Tensor // the nodes of each row that it cannot enter, one row after the other
	excluded *torch.Tensor // the nodes of each row whose item is not allowed
	offset   *torch.Tensor // [rows, 1], added to a node it gives the index in a mask
	root     *torch.Tensor // [rows, 1]
}

// newDeviceTrie copies the constraints of a batch to the device.
func newDeviceTrie(s *torch.Scope, catalog *Catalog, constraints []Constraint, device torch.Device) *deviceTrie {
	tries, base := baseTries(constraints)
	var closed, excluded []int64
	offset, root := make([]int64, 0, len(constraints)), make([]int64, 0, len(constraints))
	size := int64(0) // of a mask
	for _, c := range constraints {
		trie := c.baseTrie()
		closedNodes, ends := c.excludedNodes()
		closed = append(closed, size) // no edge leads to the root
		for _, node := range closedNodes {
			closed = append(closed, size+int64(node))
		}
		for _, node := range ends {
			excluded = append(excluded, size+int64(node))
		}
		offset, root = append(offset, size-base[trie]), append(root, base[trie])
		size += int64(len(trie.item))
	}
	var data packedInts
	data.add(closed, excluded, offset, root)
	cached := len(tries) == 1 && tries[0] == catalog.Trie
	var maxDegree []int64
	if !cached {
		maxDegree = catalog.pack(&data, tries)
	}
	vectors := data.upload(s, device)
	mask := func(nodes *torch.Tensor) *torch.Tensor {
		return s.Zeros(torch.Bool, device, size).IndexFillTo(0, nodes, 1)
	}
	d := &deviceTrie{
		closed: mask(vectors[0]), excluded: mask(vectors[1]),
		offset: vectors[2].View(-1, 1), root: vectors[3].View(-1, 1),
	}
	if cached {
		d.trieTables = catalog.tablesOn(device)
	} else {
		d.trieTables = newTrieTables(vectors[4:], maxDegree)
	}
	return d
}

// baseTries returns the distinct tries of constraints, in the order of first occurrence, and the
// number of the first node of each.
func baseTries(constraints []Constraint) (tries []*Trie, base map[*Trie]int64) {
	base = map[*Trie]int64{}
	nodes := int64(0)
	for _, c := range constraints {
		trie := c.baseTrie()
		if _, known := base[trie]; known {
			continue
		}
		base[trie], tries = nodes, append(tries, trie)
		nodes += int64(len(trie.item))
	}
	return tries, base
}

// lookUp returns the elements of a mask for nodes of each row. [rows, nodes]
func (d *deviceTrie) lookUp(mask, nodes *torch.Tensor) *torch.Tensor {
	index := nodes.Add(d.offset).Reshape(-1)
	return mask.IndexSelect(0, index).View(nodes.Shape()...)
}
