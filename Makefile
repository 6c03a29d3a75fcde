# Everything here says what it does, asks nothing, and can be repeated.

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help run test fmt spelling shell lint small unit docs deny unused advisories msrv python node deploy repeat fuzz release speed instructions reference overhead dialects accounts accounting cascade guard common-sense cards targets proof crashes startup scrape load engine images dashboards

XIETONG := cargo run --quiet --locked --release --package gateway --bin xietong --

help: ## This list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: ## Install what is missing, build, and start the gateway, which fetches the weights that it lacks
	@.ci/install build
	@echo "Building (the first time takes some minutes; on a terminal the last line shows how far it is)"
	@cargo build --locked --release --package gateway --bin xietong
	@echo "Starting the gateway; stop it with Ctrl-C"
	@$(XIETONG) serve

test: ## Everything that CI runs
	@.ci/check

fmt spelling shell lint small docs deny unused advisories msrv unit python node deploy: ## One step of `make test`
	@.ci/check $@

repeat: ## Run all tests twenty times with one core kept busy, and count failures (ROUNDS)
	@.ci/repeat $(or $(ROUNDS),20)

fuzz: ## Look for inputs that break what must hold for any input, with nightly Rust (SECONDS of each target)
	@.ci/fuzz $(or $(SECONDS),60)

release: ## Build the profile-guided binary that the images ship, into target/shipped (two builds)
	@.ci/install build profdata
	@deploy/build-release target/shipped/xietong

speed: ## Measure the release binary beside nginx, with a core for proxies and one for clients and upstream
	@.ci/install profdata
	@deploy/build-release target/shipped/xietong-small --no-default-features
	@cargo build --quiet --locked --release --package end-to-end --bin speed --no-default-features
	@target/release/speed target/shipped/xietong-small "$$(.ci/nginx)" 5 1 target/speed

instructions: ## Count the instructions of a request, and compare them with the budget
	@.ci/install valgrind
	@cargo build --quiet --locked --release --no-default-features --package gateway --bin xietong --package end-to-end --bin instructions
	@target/release/instructions target/release/xietong tests/instructions.json optimised

reference: ## Write docs/reference and tests/golden from the code, after a change of names or meanings
	@XIETONG_REFERENCE=write cargo test --quiet --locked --package end-to-end --no-default-features --test all reference::
	@git diff --stat -- docs/reference tests/golden

overhead: ## Measure what the gateway adds to a request and to a chunk
	@cargo run --quiet --locked --release --package end-to-end --no-default-features --bin overhead >/dev/null

dialects: ## Measure the cost of converting between APIs
	@cargo run --quiet --locked --release --package end-to-end --no-default-features --bin dialects >/dev/null

accounts: ## Compare the ledger with the bill of ten thousand mixed requests
	@cargo run --quiet --locked --release --package end-to-end --no-default-features --bin accounts >/dev/null

accounting: ## Measure what accounting adds to a request
	@cargo test --quiet --locked --release --package ledger --lib what_accounting_costs -- --ignored --nocapture

cascade: ## Ask the embedded models, and measure quality, cost and waiting time of a cascade (an hour)
	@mkdir -p target
	@cargo run --quiet --locked --release --package end-to-end --bin signals -- \
	  models/qwen2.5-coder-0.5b-instruct-q4_k_m.gguf $(if $(DATA),--data $(DATA)) --agree --out target/answers.jsonl
	@cargo run --quiet --locked --release --package end-to-end --bin cascade -- --rows target/answers.jsonl \
	  --first-token models/SmolLM2-135M-Instruct.Q4_1.gguf models/qwen2.5-coder-0.5b-instruct-q4_k_m.gguf

guard: ## Fit the chance that a cascade's guard uses to the answers in testdata
	@cargo run --quiet --locked --package training -- \
	  --guard router-policies/testdata/guard.jsonl --out router-policies/src/judging/guard/fitted.rs
	@cargo fmt --package router-policies

common-sense: ## Fit the level of the scorer's prior to the easy and hard requests in testdata (DATA: labelled prompts)
	@cargo run --quiet --locked --release --package training -- --data $(DATA) \
	  --common-sense router-policies/testdata/common-sense.jsonl --out router-policies/src/scoring/scorers/prior/fitted.rs
	@cargo fmt --package router-policies

cards: ## Fit the cards of the catalogue's models (DATA: the exam and labelled prompts; ANSWERS: what `make proof` collected)
	@cargo run --quiet --locked --release --package training -- --data $(DATA) --cards $(ANSWERS) \
	  --common-sense router-policies/testdata/common-sense.jsonl --out router-policies/src/scoring
	@cargo fmt --package router-policies

targets: ## Measure how `kind: utility` keeps its targets, under traffic that rises and falls (DATA: labelled prompts)
	@cargo run --quiet --locked --release --package end-to-end --no-default-features --bin targets -- $(if $(DATA),--data $(DATA))

proof: ## Ask the embedded models an exam, and show what they are worth together (DATA: questions; hours; goes on where it was)
	@test -n "$(DATA)" || { echo "DATA names the questions: make proof DATA=exam.jsonl.gz; tests/PROOF.md says what they are"; exit 2; }
	@cargo build --quiet --locked --release --package gateway --bin xietong
	@$(XIETONG) fetch
	@cargo build --quiet --locked --release --package end-to-end --no-default-features --bin proof
	@target/release/proof sit --data $(DATA)
	@target/release/proof sit --data $(DATA) --again
	@target/release/proof sit --data $(DATA) --auto
	@target/release/proof report --data $(DATA) --plot target/proof/proof.svg | tee target/proof/proof.md

crashes: ## Kill a gateway 200 times at random instants and check its ledger
	@cargo build --quiet --locked --release --package gateway --no-default-features --bin xietong
	@cargo run --quiet --locked --release --package end-to-end --no-default-features --bin crashes target/release/xietong

engine: ## Measure the embedded engine beside llama.cpp itself and beside AVX2 alone, and its effect on relayed requests
	@cargo run --quiet --locked --release --package small-model --example against_llama_cpp -- models/SmolLM2-135M-Instruct.Q4_1.gguf
	@cargo run --quiet --locked --release --package small-model --example instructions -- models/qwen2.5-coder-0.5b-instruct-q4_k_m.gguf
	@cargo build --quiet --locked --release --package gateway --bin xietong --package end-to-end --bin decoding
	@target/release/decoding target/release/xietong models/SmolLM2-135M-Instruct.Q4_1.gguf

startup: ## Measure start to ready and memory at rest, without and with an embedded model
	@cargo build --quiet --locked --release --package gateway --bin xietong
	@python3 deploy/measure.py startup target/release/xietong models/SmolLM2-135M-Instruct.Q4_1.gguf

scrape: ## Measure a scrape at 50 clients, 10 routes and 10 models
	@cargo build --quiet --locked --release --package gateway --no-default-features --bin xietong
	@cargo build --quiet --locked --release --package end-to-end --no-default-features --bin scripted-upstream
	@python3 deploy/measure.py scrape target/release/xietong target/release/scripted-upstream

load: ## Measure the processor time of a request and of a stream
	@cargo build --quiet --locked --release --package gateway --no-default-features --bin xietong
	@cargo build --quiet --locked --release --package end-to-end --no-default-features --bin scripted-upstream
	@python3 deploy/measure.py load target/release/xietong target/release/scripted-upstream
	@echo With every request traced:
	@python3 deploy/measure.py traced target/release/xietong target/release/scripted-upstream

images: ## Run the stages of the Dockerfile without Docker, check the results, and measure them (needs root)
	@deploy/docker/prove --engine

dashboards: ## Write the dashboards from the boards, and draw them from real data into target/dashboards
	@.ci/check deploy
	@$${XDG_CACHE_HOME:-$$HOME/.cache}/xietong/venv-deploy/bin/pip install --quiet matplotlib==3.11.2
	@$${XDG_CACHE_HOME:-$$HOME/.cache}/xietong/venv-deploy/bin/python deploy/grafana/build.py
	@$${XDG_CACHE_HOME:-$$HOME/.cache}/xietong/venv-deploy/bin/python deploy/grafana/draw.py target/dashboards
