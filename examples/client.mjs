// Asks a running app what it sees in a picture, and where its last layer looks.
//
//     npm install @gradio/client
//     node client.mjs http://127.0.0.1:7860/ dog.jpg
import { readFile } from "node:fs/promises";
import { Client } from "@gradio/client";

const [address, file] = process.argv.slice(2);
const app = await Client.connect(address);
const picture = new Blob([await readFile(file)], { type: "image/jpeg" });

const [found] = (await app.predict("/predict", { picture, top: 3 })).data;
const values = found.probabilities ?? found.cosines;
found.labels.forEach((name, i) => console.log(values[i].toFixed(3), name));

const [numbers, sheet] = (await app.predict("/attention", { picture, layer: -1, token: "cls" })).data;
console.log(`layer ${numbers.layer}: ${numbers.maps.length} heads; all of them as a picture: ${sheet.url}`);
process.exit(0);
