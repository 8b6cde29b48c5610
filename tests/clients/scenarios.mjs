// Published clients for JavaScript, unmodified but for base URL and key. Prints what each scenario came to, as JSON.
// Arguments: the image, a mask for it (transparent where it is repainted, or white for Stability AI's convention).
import { createRequire } from "node:module";
import { createReadStream, readFileSync, unlinkSync } from "node:fs";

import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { APICallError, generateImage } from "ai";
import OpenAI from "openai";
import stabilityAI from "stability-ai";

const [imagePath, clearMaskPath, whiteMaskPath] = process.argv.slice(2);
const url = process.env.SDXL_API_URL;
const apiKey = process.env.SDXL_API_KEY;
const baseURL = `${url}/v1`;

const openai = new OpenAI({ baseURL, apiKey, maxRetries: 0 });
const stranger = new OpenAI({ baseURL, apiKey: "x".repeat(40), maxRetries: 0 });
const vercel = createOpenAI({ baseURL, apiKey });
const compatible = createOpenAICompatible({ name: "sdxl", baseURL, apiKey });

// stability-ai has no setting for its address: axios, which it calls, is given another.
const axios = createRequire(createRequire(import.meta.url).resolve("stability-ai"))("axios");
axios.interceptors.request.use((config) => ({ ...config, url: config.url.replace("https://api.stability.ai", url) }));
// It is written in CommonJS, whose default export lies one level deeper here.
const stability = new stabilityAI.default(apiKey);
const engine = "stable-diffusion-v1-6";
const prompts = [{ text: "a fox", weight: 1 }];

const kind = (bytes) => (bytes[0] === 0x89 ? "png" : bytes[0] === 0xff ? "jpeg" : bytes[0] === 0x52 ? "webp" : "other");
const kinds = (answer) => answer.data.map((item) => kind(Buffer.from(item.b64_json, "base64")));
const sdkKinds = (answer) => answer.images.map((image) => kind(Buffer.from(image.uint8Array)));
const fileKinds = (results) =>
  results.map(({ filepath }) => {
    const found = kind(readFileSync(filepath));
    unlinkSync(filepath);
    return found;
  });
const file = (path) => createReadStream(path);
const small = { steps: 10 };

const scenarios = {
  "openai generation": async () => kinds(await openai.images.generate({ model: "gpt-image-1", prompt: "a fox" })),
  "openai several": async () => kinds(await openai.images.generate({ model: "gpt-image-1", prompt: "a fox", n: 6 })),
  "openai webp": async () =>
    kinds(await openai.images.generate({ model: "gpt-image-1", prompt: "a fox", output_format: "webp" })),
  "openai stream": async () => {
    const stream = await openai.images.generate({ model: "gpt-image-1", prompt: "a fox", stream: true });
    const events = [];
    for await (const event of stream) events.push(event.type);
    return events;
  },
  "openai edit": async () =>
    kinds(await openai.images.edit({ model: "gpt-image-1", image: file(imagePath), prompt: "oil" })),
  "openai mask": async () =>
    kinds(
      await openai.images.edit({
        model: "gpt-image-1",
        image: file(imagePath),
        mask: file(clearMaskPath),
        prompt: "a hat",
      }),
    ),
  "openai variation": async () =>
    kinds(await openai.images.createVariation({ image: file(imagePath), response_format: "b64_json" })),
  "openai wrong": () => openai.images.generate({ prompt: "a fox", n: 11 }),
  "openai two images": () => openai.images.edit({ image: [file(imagePath), file(imagePath)], prompt: "oil" }),
  "openai model": () => openai.images.generate({ prompt: "a fox", model: "sora-2" }),
  "openai key": () => stranger.images.generate({ prompt: "a fox" }),
  "vercel several": async () =>
    sdkKinds(await generateImage({ model: vercel.image("gpt-image-1"), prompt: "a fox", n: 6 })),
  "vercel size": async () =>
    sdkKinds(await generateImage({ model: vercel.image("gpt-image-1"), prompt: "a fox", size: "1536x864" })),
  "vercel mask": async () =>
    sdkKinds(
      await generateImage({
        model: vercel.image("gpt-image-1"),
        prompt: { text: "a hat", images: [readFileSync(imagePath)], mask: readFileSync(clearMaskPath) },
      }),
    ),
  "vercel wrong": () =>
    generateImage({
      model: vercel.image("gpt-image-1"),
      prompt: "a fox",
      maxRetries: 0,
      providerOptions: { openai: { background: "transparent" } },
    }),
  "compatible generation": async () =>
    sdkKinds(await generateImage({ model: compatible.imageModel("sdxl"), prompt: "a fox" })),
  "compatible several": async () =>
    sdkKinds(await generateImage({ model: compatible.imageModel("sdxl"), prompt: "a fox", n: 4 })),
  "compatible wrong": () =>
    generateImage({ model: compatible.imageModel("sora-2"), prompt: "a fox", maxRetries: 0 }),
  "stability generation": async () =>
    fileKinds(await stability.v1.generation.textToImage(engine, prompts, { ...small, width: 512, height: 512 })),
  "stability several": async () => fileKinds(await stability.v1.generation.textToImage(engine, prompts, { samples: 6 })),
  "stability edit": async () =>
    fileKinds(await stability.v1.generation.imageToImage(engine, prompts, imagePath, small)),
  "stability mask": async () =>
    fileKinds(
      await stability.v1.generation.imageToImageMasking(engine, prompts, imagePath, {
        ...small,
        mask_source: "MASK_IMAGE_WHITE",
        mask_image: whiteMaskPath,
      }),
    ),
  "stability account": async () => Object.keys(await stability.v1.user.account()).sort(),
  "stability wrong": () => stability.v1.generation.textToImage(engine, prompts, { steps: 5 }),
  "stability engine": () => stability.v1.generation.textToImage("no-such-engine", prompts, {}),
};

const outcomes = {};
for (const [name, run] of Object.entries(scenarios)) {
  try {
    outcomes[name] = { answer: await run() };
  } catch (error) {
    const is = APICallError.isInstance(error) ? "AI_APICallError" : error.constructor.name;
    const { status = error.statusCode, code, param, message } = error;
    outcomes[name] = { error: { is, name: error.name, status, code, param, message } };
  }
}
console.log(JSON.stringify(outcomes));
