"""Trains small Chinese SentencePiece models for a student, and writes what they encode and decode.

Run: pip install sentencepiece==0.2.3 && python make.py
"""
import json
import pathlib

import sentencepiece as spm

HERE = pathlib.Path(__file__).parent
THINGS = ["表带", "手柄", "屏幕", "电池", "电缆", "键盘", "耳机", "音箱"]
SAYS = ["很好用，也很耐用。", "有点差，一周就坏了。", "不错，我很喜欢。", "质量很好，价格便宜。", "声音太小，不推荐。"]
TEXTS = ["这个" + thing + say for thing in THINGS for say in SAYS] + ["user_%d item_%d" % (i, i * 37 % 1000) for i in range(300)]
SAMPLES = ["这个表带很好用，也很耐用。", "user_12 item_345", "我喜欢这个音箱。", "很差 very bad 😀", "龘", "", "  这个  手柄  "]


def main():
    out = {}
    for name, fallback in (("zh", False), ("zh-bytes", True)):
        folder = HERE / name
        folder.mkdir(exist_ok=True)
        spm.SentencePieceTrainer.train(
            sentence_iterator=iter(TEXTS), model_prefix=str(folder / "spiece"), vocab_size=400 if fallback else 140,
            model_type="unigram", byte_fallback=fallback, normalization_rule_name="identity",
            pad_id=0, eos_id=1, unk_id=2, bos_id=-1, pad_piece="<pad>", hard_vocab_limit=False, character_coverage=1.0,
        )
        (folder / "spiece.vocab").unlink()
        sp = spm.SentencePieceProcessor(model_file=str(folder / "spiece.model"))
        rows = []
        for text in SAMPLES:
            ids = sp.encode(text)
            rows.append({"text": text, "ids": ids + [1], "decoded": sp.decode([i for i in ids if i != 2])})
        out[name] = {"size": sp.get_piece_size(), "rows": rows}
        (folder / "config.json").write_text(json.dumps({"vocab_size": sp.get_piece_size() + 28}) + "\n")
        if not fallback:
            fast = HERE / "zh-fast"
            fast.mkdir(exist_ok=True)
            vocab = [[sp.id_to_piece(i), sp.get_score(i)] for i in range(sp.get_piece_size())]
            vocab += [["<extra_id_%d>" % i, 0.0] for i in reversed(range(4))]
            added = [{"id": i, "content": vocab[i][0], "special": True} for i in (0, 1, 2)]
            (fast / "tokenizer.json").write_text(json.dumps({
                "added_tokens": added, "normalizer": None, "pre_tokenizer": {"type": "Metaspace", "prepend_scheme": "always"},
                "model": {"type": "Unigram", "unk_id": 2, "vocab": vocab, "byte_fallback": False},
            }, ensure_ascii=False) + "\n")
    (HERE / "students.json").write_text(json.dumps(out, ensure_ascii=False, indent=1) + "\n")
    spm.SentencePieceTrainer.train(
        sentence_iterator=iter(TEXTS), model_prefix=str(HERE / "bpe"), vocab_size=140, model_type="bpe",
        normalization_rule_name="identity", pad_id=0, eos_id=1, unk_id=2, bos_id=-1, hard_vocab_limit=False,
    )
    (HERE / "zh-bpe").mkdir(exist_ok=True)
    (HERE / "bpe.model").rename(HERE / "zh-bpe" / "spiece.model")
    (HERE / "bpe.vocab").unlink()


main()
