# One line a target: everything is `python -m recipes.run RECIPE STAGE`.
RECIPE ?= recipes/kishi-tiny.yaml
ARGS ?=
PYTHON_BIN := .venv/bin/python
RUN = $(PYTHON_BIN) -m recipes.run $(RECIPE)
RUN_FOLDER = runs/$(basename $(notdir $(RECIPE)))
GGUF = $(RUN_FOLDER)/gguf/model-Q4_K_M.gguf
# files of tests shared out over two processes: most of a test's time is one thread that imports
PYTEST = OMP_NUM_THREADS=1 $(PYTHON_BIN) -m pytest -n 2 --dist loadfile
export PYTHON

.PHONY: help slurm setup setup-dev setup-peers setup-quantize doctor demo all status data tokenizer fertility index expand-model import-hf pretrain-phase1 pretrain-phase2 export-hf checkpoint-hf chat-data sft dpo grpo reward best-of-n tools gguf awq gptq autoround fp8 qat eval eval-quantized report slides push chat serve check test test-slow lock
help: ## this list
	@awk -F ':.*## ' '/^[a-z0-9- ]+:.*## /{printf "  %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
setup: ## make .venv from the lock files (again: seconds)
	@requirements/setup.sh
setup-dev: ## the same, with what check and test need
	@requirements/setup.sh core torch train bridge posttrain gguf eval serve quantize dev
setup-peers: setup ## the same, with the tokenizers that `make fertility` compares with
	@requirements/setup.sh peers
setup-quantize: setup ## the same, with what awq, gptq, autoround and fp8 need
	@requirements/setup.sh quantize
doctor: ## what this machine can run, what is missing, and the fix
	@python3 requirements/doctor.py
demo: setup ## raw text in, quantised chat model out
	@$(PYTHON_BIN) -m recipes.run recipes/kishi-tiny.yaml all
all: ## every stage of RECIPE=...
	@$(RUN) all $(ARGS)
status: ## which stages are done, stale or missing
	@$(RUN) status $(ARGS)
data: ## clean, deduplicate and mix the sources
	@$(RUN) data $(ARGS)
tokenizer: ## train the tokenizer
	@$(RUN) tokenizer $(ARGS)
fertility: ## the tokenizer beside other models' (setup-peers): table, chart, page with coloured tokens
	@$(PYTHON_BIN) -m tokenizer.compare $(RUN_FOLDER)/tokenizer --texts $(RUN_FOLDER)/data/heldout --out $(RUN_FOLDER)/fertility $(ARGS)
index: ## corpus to Megatron .bin/.idx
	@$(RUN) index $(ARGS)
expand-model: ## recipes with a base: a row for each new token
	@$(RUN) expand-model $(ARGS)
import-hf: ## recipes with a base: Hugging Face model to Megatron checkpoint, with parity
	@$(RUN) import-hf $(ARGS)
pretrain-phase1: ## warm-up and stable, dirty text
	@$(RUN) pretrain --phase 1 $(ARGS)
pretrain-phase2: ## decay, clean text
	@$(RUN) pretrain --phase 2 $(ARGS)
export-hf: ## Megatron checkpoint to Hugging Face, with parity
	@$(RUN) export-hf $(ARGS)
checkpoint-hf: ## any kept checkpoint to Hugging Face, while training goes on (ARGS="--phase 1 --step 4000")
	@$(PYTHON_BIN) -m conversion.export_checkpoint $(RUN_FOLDER) $(ARGS)
chat-data: ## conversations, preference pairs and tool calls: check, deduplicate, make, split
	@$(RUN) chat-data $(ARGS)
sft: ## supervised fine-tuning
	@$(RUN) sft $(ARGS)
dpo: ## preference optimisation
	@$(RUN) dpo $(ARGS)
grpo: ## recipes with a section of that name: reinforcement on tasks that a program can check
	@$(RUN) grpo $(ARGS)
reward: ## recipes with a section of that name: a model that scores answers
	@$(RUN) reward $(ARGS)
best-of-n: ## several answers, the best first (ARGS="--prompt '...'")
	@$(PYTHON_BIN) -m posttrain.best_of_n $(RUN_FOLDER) $(ARGS)
tools: ## function calling (recipes with the section)
	@$(RUN) tools $(ARGS)
gguf: ## quantised files for llama.cpp
	@$(RUN) gguf $(ARGS)
awq gptq autoround fp8 qat: ## other ways to quantise, which the recipe must name (docs/quantization.md)
	@$(RUN) $@ $(ARGS)
eval-quantized: ## every quantised form: size, loss, speed, memory
	@$(RUN) eval-quantized $(ARGS)
eval: ## every model side by side
	@$(RUN) eval $(ARGS)
report: ## one HTML page
	@$(RUN) report $(ARGS)
slides: ## the final presentation, HTML and PDF (ARGS="--since 2026-11-17": the weekly one)
	@$(PYTHON_BIN) -m report.slides $(RECIPE) $(ARGS)
push: ## dry run of publishing on the hub, behind gates (ARGS="--owner NAME --yes" uploads)
	@$(PYTHON_BIN) -m publish.push $(RUN_FOLDER) $(ARGS)
chat: ## talk to the quantised model (ARGS=--tools: it may call a calculator)
	@$(PYTHON_BIN) -m serve.chat $(GGUF) $(ARGS)
serve: ## the same in the browser and over OpenAI's interface, http://127.0.0.1:8080
	@$(PYTHON_BIN) -m serve.server $(GGUF) $(ARGS)
slurm: ## the chain as jobs on a cluster (slurm/cluster.env; STAGES="...": only these)
	@slurm/chain.sh $(STAGES)
check: setup-dev ## style, types, import contracts
	@.venv/bin/ruff check . && .venv/bin/ruff format --check . && .venv/bin/mypy && .venv/bin/lint-imports --no-cache
test: setup-dev ## unit, contract and the tiny pipeline end to end
	@$(PYTEST)
test-slow: setup-dev ## the rest: kills, several processes, a Slurm queue, benchmarks
	@$(PYTEST) -m "slow and not gpu"
lock: ## re-make the lock files
	@requirements/lock.sh
