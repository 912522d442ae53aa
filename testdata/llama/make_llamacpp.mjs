// Writes what llama.cpp makes of a model file (see README.md). Run: node make_llamacpp.mjs MODEL.gguf OUT.json F32|F16
import fs from "node:fs";
import {getLlama} from "node-llama-cpp";

const [model, out, cache] = process.argv.slice(2);
const chat = (text) => "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n" +
    `<|im_start|>user\n${text}<|im_end|>\n<|im_start|>assistant\n`;
const prompts = [
    "What is the capital of France?",
    "Name three fruits.",
    "I love the smell of this shampoo , it lasts all day . What do I like about it?",
    "It broke after 2 weeks :( What happened?",
    "Write one sentence about the sea.",
];
const plain = {temperature: 1, topK: 0, topP: 1, minP: 0};
const steps = 32;

const llama = await getLlama({gpu: false, build: "never"});
const loaded = await llama.loadModel({modelPath: model});
const context = await loaded.createContext({
    contextSize: 512, flashAttention: false, experimentalKvCacheKeyType: cache, experimentalKvCacheValueType: cache, threads: 2,
});
const sequence = context.getSequence();
const rows = [];
for (const prompt of prompts) {
    await sequence.clearHistory();
    const ids = loaded.tokenize(chat(prompt), true);
    const row = {prompt, ids, greedy: [], top: []};
    let input = ids.map((id, i) => i < ids.length - 1 ? id : [id, {generateNext: {logits: true, options: plain}}]);
    for (let step = 0; step < steps; step++) {
        const result = (await sequence.controlledEvaluate(input)).at(-1);
        const best = [...result.next.logits.entries()].sort((a, b) => b[1] - a[1]).slice(0, 8);
        row.greedy.push(best[0][0]);
        row.top.push(best.map(([id, logit]) => [id, Math.fround(logit)]));
        if (best[0][0] === loaded.tokens.eos) break;
        input = [[best[0][0], {generateNext: {logits: true, options: plain}}]];
    }
    rows.push(row);
}
fs.writeFileSync(out, JSON.stringify({rows}) + "\n");
await llama.dispose();
