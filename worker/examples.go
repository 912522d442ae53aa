package main

// Help returns examples of the command.
func (options) Help() string {
	return "Examples:\n\n    worker --bucket file:///var/lib/rdrec\n" +
		"    worker --queues rdrec-gpu --bucket s3://shop/rdrec --device cuda"
}

// Help returns examples of the command.
func (serveOptions) Help() string {
	return "Examples:\n\n    worker serve --name beauty-nightly --bucket file:///var/lib/rdrec\n" +
		"    worker serve --name demo-0123456789ab --bucket s3://shop/rdrec --quick"
}

// Help returns examples of the command.
func (importOptions) Help() string {
	return "Examples:\n\n    worker import experiments/demo.yaml --out dataset\n" +
		"    worker import shop.yaml --set data.reviews.header=false --out dataset"
}

// Help returns examples of the command.
func (versionOptions) Help() string {
	return "Examples:\n\n    worker version\n    worker version --json"
}
