# Everything here says what it does, asks nothing, and can be repeated.

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help run test fmt lint small unit docs deny python overhead accounts accounting crashes

XIETONG := cargo run --quiet --locked --release --package gateway --bin xietong --

help: ## This list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: ## Install what is missing, fetch the weights, build, and start the gateway
	@.ci/install build
	@echo "Building (the first time takes some minutes)"
	@cargo build --locked --release --package gateway --bin xietong
	@echo "Fetching the weights of the embedded models, unless they are there"
	@$(XIETONG) fetch
	@echo "Starting the gateway; stop it with Ctrl-C"
	@$(XIETONG) serve

test: ## Everything that CI runs
	@.ci/check

fmt lint small unit docs deny python: ## One step of `make test`
	@.ci/check $@

overhead: ## Measure what the gateway adds to a request and to a chunk
	@cargo run --quiet --locked --release --package end-to-end --no-default-features --bin overhead >/dev/null

accounts: ## Hold the ledger against what ten thousand mixed requests would be billed
	@cargo run --quiet --locked --release --package end-to-end --no-default-features --bin accounts >/dev/null

accounting: ## Measure what accounting adds to a request
	@cargo test --quiet --locked --release --package gateway --no-default-features --lib what_accounting_costs -- --ignored --nocapture

crashes: ## Kill a gateway 200 times at random instants and look at its ledger
	@cargo build --quiet --locked --release --package gateway --no-default-features --bin xietong
	@cargo run --quiet --locked --release --package end-to-end --no-default-features --bin crashes target/release/xietong
