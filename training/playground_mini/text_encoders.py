"""Builds the tokenizer and trains the two CLIP text encoders to carry a plan of the picture.

A prompt takes at most 77 positions. The encoders have 64 positions more; these always hold padding, see the whole
prompt (attention is causal) and stand for the 8 x 8 cells of the picture. The encoders learn by plain regression that
the penultimate hidden state at position 77 + k tells, linearly, the 2 x 2 x 4 normalised latents in cell k of the
picture that the caption describes: composition is learnt here, cheaply, and the UNet only has to paint by the plan.
Texts that ask for nothing (the empty one, negative prompts) learn the mean picture.

Knows captions and latents; knows nothing of noise or of the UNet.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import torch
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers
from torch import Tensor, nn
from torch.nn import functional
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

from .optimisers import Optimisers, RunningAverage

PROMPT_TOKENS = 77
CELLS = 8
LENGTH = PROMPT_TOKENS + CELLS * CELLS
START, END = "<|startoftext|>", "<|endoftext|>"
WORDS = r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"


def train_tokenizer(texts: list[str], folder: Path, vocabulary: int) -> CLIPTokenizer:
    """CLIP's byte-pair encoding, trained on the captions: nearly every word of theirs is one token."""
    tokenizer = Tokenizer(models.BPE(unk_token=END, end_of_word_suffix="</w>", continuing_subword_prefix=""))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(WORDS), behavior="removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[START, END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        end_of_word_suffix="</w>",
    )
    tokenizer.train_from_iterator(texts, trainer)
    model = json.loads(tokenizer.to_str())["model"]
    tokens: dict[str, int] = dict(model["vocab"])
    for byte in sorted(pre_tokenizers.ByteLevel.alphabet()):
        for token in (byte, byte + "</w>"):
            tokens.setdefault(token, len(tokens))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.json").write_text(json.dumps(tokens), encoding="utf-8")
    merges = [merge if isinstance(merge, str) else " ".join(merge) for merge in model["merges"]]
    (folder / "merges.txt").write_text("#version: 0.2\n" + "\n".join(merges) + "\n", encoding="utf-8")
    result: CLIPTokenizer = CLIPTokenizer.from_pretrained(folder, model_max_length=LENGTH)
    result.save_pretrained(folder)
    return result


def tokenise(tokenizer: CLIPTokenizer, texts: list[str]) -> Tensor:
    return torch.tensor(tokenizer(texts, padding="max_length", truncation=True, max_length=LENGTH).input_ids)


class Encoders(nn.Module):
    """The two text encoders as the SDXL pipeline uses them, with the read-outs that only the training needs."""

    def __init__(self, tokenizer: CLIPTokenizer, widths: tuple[int, int] = (256, 128), topics: int = 0) -> None:
        super().__init__()

        def configuration(width: int, layers: int) -> CLIPTextConfig:
            return CLIPTextConfig(
                vocab_size=len(tokenizer),
                hidden_size=width,
                intermediate_size=3 * width,
                num_hidden_layers=layers,
                num_attention_heads=width // 64,
                max_position_embeddings=LENGTH,
                projection_dim=width,
                hidden_act="gelu",
                bos_token_id=tokenizer.bos_token_id,
                eos_token_id=tokenizer.eos_token_id,
                pad_token_id=tokenizer.pad_token_id,
                attn_implementation="eager",
            )

        self.first = CLIPTextModel(configuration(widths[0], 4))
        self.second = CLIPTextModelWithProjection(configuration(widths[1], 2))
        for model in (self.first, self.second):
            for name, parameter in model.named_parameters():
                if "token_embedding" in name or "position_embedding" in name:
                    nn.init.normal_(parameter, std=0.3)
        self.plan = nn.Linear(sum(widths), 16)
        self.topics = nn.Linear(widths[1], topics)

    def forward(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Hidden states (batch, length, both widths) and the pooled embedding, exactly the pipeline's two inputs."""
        first = self.first(tokens, output_hidden_states=True).hidden_states[-2]
        second = self.second(tokens, output_hidden_states=True)
        return torch.cat([first, second.hidden_states[-2]], dim=-1), second.text_embeds


def load_encoders(path: Path, tokenizer: CLIPTokenizer) -> Encoders:
    """Trained encoders, from `encoders.pt` or from an exported pipeline's folder (then without the read-outs)."""
    if path.is_dir():
        encoders = Encoders(tokenizer)
        encoders.first = CLIPTextModel.from_pretrained(path / "text_encoder", dtype=torch.float32)
        encoders.second = CLIPTextModelWithProjection.from_pretrained(path / "text_encoder_2", dtype=torch.float32)
        return encoders.eval()
    weights: dict[str, Tensor] = torch.load(path)
    encoders = Encoders(tokenizer, topics=len(weights["topics.bias"]))
    encoders.load_state_dict(weights)
    return encoders.eval()


def to_cells(latents: Tensor) -> Tensor:
    """(batch, 4, 16, 16) latents as (batch, 64, 16): one row a cell, from left to right and from top to bottom."""
    return functional.pixel_unshuffle(latents, 2).flatten(2).transpose(1, 2)


def train(encoders: Encoders, data: dict[str, Tensor], arguments: argparse.Namespace) -> Encoders:
    """Regresses plans and topics; returns the running average of the weights."""
    tokens, plans, topics = data["tokens"], to_cells(data["latents"].float()), data["topics"].float()
    held_out = slice(len(tokens) - 256, len(tokens))
    trained_on = len(tokens) - 256
    nothing = data["unconditional_tokens"]
    mean_plan, mean_topics = plans[:trained_on].mean(0), topics[:trained_on].mean(0)
    optimisers = Optimisers(encoders, arguments.rate, plain=("embedding", "plan", "topics", "text_projection"))
    averaged = RunningAverage(encoders, keep=0.995)
    variance = plans.var()
    start, step, seen, total = time.monotonic(), 0, 0, 0.0
    while (progress := (time.monotonic() - start) / (arguments.minutes * 60)) < 1:
        step += 1
        chosen = torch.randint(trained_on, (arguments.batch,))
        empty = torch.randint(len(nothing), (max(1, arguments.batch // 24),))
        batch = torch.cat([tokens[chosen], nothing[empty]])
        wanted = torch.cat([plans[chosen], mean_plan.expand(len(empty), -1, -1)])
        wanted_topics = torch.cat([topics[chosen], mean_topics.expand(len(empty), -1)])
        with torch.autocast("cpu", torch.bfloat16):
            states, pooled = encoders(batch)
            drawn = encoders.plan(states[:, PROMPT_TOKENS:]).float()
            guessed = encoders.topics(pooled).float()
        error = functional.mse_loss(drawn, wanted) / variance
        loss = error + 0.2 * functional.binary_cross_entropy_with_logits(guessed, wanted_topics) * topics.shape[1] / 8
        optimisers.step(loss, progress)
        averaged.update()
        seen += len(batch)
        total = error.item() if step == 1 else 0.98 * total + 0.02 * error.item()
        if step % arguments.report == 0:
            with torch.no_grad():
                states, _ = averaged.average(tokens[held_out])
                missed = (
                    functional.mse_loss(averaged.average.plan(states[:, PROMPT_TOKENS:]), plans[held_out]) / variance
                )
            torch.save(averaged.average.state_dict(), arguments.out / "encoders.pt")
            seconds = time.monotonic() - start
            print(f"{seconds:.0f} s  step {step}  {seen / seconds:.0f} texts/s  unexplained {total:.4f}", end="  ")
            print(f"held out {missed.item():.4f}", flush=True)
    return averaged.average


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="data set of plans")
    parser.add_argument("--tokenizer", type=Path, required=True)
    parser.add_argument("--start", type=Path, help="encoders.pt to go on with")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=16.5)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rate", type=float, default=4e-3)
    parser.add_argument("--report", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(arguments.seed)
    arguments.out.mkdir(parents=True, exist_ok=True)

    tokenizer = CLIPTokenizer.from_pretrained(arguments.tokenizer)
    data: dict[str, Tensor] = torch.load(arguments.data)
    encoders = Encoders(tokenizer, topics=data["topics"].shape[1])
    if arguments.start:
        encoders.load_state_dict(torch.load(arguments.start))
    encoders = train(encoders, data, arguments)
    torch.save(encoders.state_dict(), arguments.out / "encoders.pt")


if __name__ == "__main__":
    main()
