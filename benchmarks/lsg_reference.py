"""LSG's reference code as a process that `attention.py` asks; it runs in an environment of its own:

    python -m venv lsg && lsg/bin/python -m pip install torch transformers==4.44.2 lsg-converter==0.1.9
    python benchmarks/attention.py --architectures lsg --lsg-python lsg/bin/python

A line on the standard input, `run`, `logits` or `peak`, is answered by a line with seconds or MiB.
"""

import gc
import json
import sys
import time
from pathlib import Path

import torch
from lsg_converter.roberta.modeling_lsg_roberta import LSGRobertaConfig, LSGRobertaForTokenClassification
from safetensors.torch import load_file, save_file


def peak_of(run) -> float:
    """Return how far this process's memory, or the device's, rises while a function runs, in MiB."""
    gc.collect()
    if torch.cuda.is_initialized():
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        run()
        torch.cuda.synchronize()
        return (torch.cuda.max_memory_allocated() - before) / 2**20
    before = status("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")
    run()
    return (status("VmHWM") - before) / 1024


def status(name: str) -> int:
    """Return a figure of this process in KiB, as Linux states it."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))


def main() -> None:
    """Answer until the input ends."""
    folder, precision, clock, device = Path(sys.argv[1]), *sys.argv[2:]
    now = {"wall": time.perf_counter, "cpu": time.process_time}[clock]
    config = LSGRobertaConfig(**json.loads((folder / "config.json").read_text()))
    model = LSGRobertaForTokenClassification(config).eval()
    model.load_state_dict(load_file(folder / "model.safetensors"), strict=True)
    model.to(device, {"fp32": torch.float32, "bf16": torch.bfloat16}[precision])
    for line in sys.stdin:
        ids = load_file(folder / "ids.safetensors")["ids"].to(device)
        with torch.inference_mode():
            if line.strip() == "peak":
                answer = peak_of(lambda ids=ids: model(ids))
            else:
                started = now()
                logits = model(ids).logits
                if device != "cpu":
                    torch.cuda.synchronize()
                answer = now() - started
                if line.strip() == "logits":
                    save_file({"logits": logits.float().cpu().contiguous()}, folder / "logits.safetensors")
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
