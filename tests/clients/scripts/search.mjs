// A whole search by tool calls alone, the same for both TypeScript clients; search.py says more.

import { parseArgs } from "node:util";

const NUM_SEEDS = 20;
const NUM_POLLS = 60;
const BASELINE = "plain-cnn";
const PARENT = "slow-cnn";
const LEARN = "    def learn(self, train_data):\n";
const SLOW_LEARN = `${LEARN}        import time\n\n        time.sleep(6)\n`;
const DATASET = "digits";
const UNKNOWN = "no-such-network";

export class Refused extends Error {}

export function asked() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      url: { type: "string", default: "" },
      token: { type: "string", default: "" },
      seed: { type: "string", default: "0" },
      wait: { type: "string", default: "20" },
    },
  });
  const { url, token, seed, wait } = values;
  return { url, token, seed: Number(seed), wait: Number(wait), command: positionals };
}

// What both clients answer a call with, as the search wants it.
export function structured(result) {
  if (result.isError) throw new Refused(result.content[0].text);
  return result.structuredContent;
}

async function tried(way, call, seed, facts) {
  const { delta } = await call("propose_delta", { parent: PARENT, proposer: "mutation", seed });
  let candidate;
  try {
    ({ candidate } = await call("apply_patch", { parent: PARENT, delta }));
  } catch (error) {
    if (error instanceof Refused) return "refused";
    throw error;
  }
  if (!(await call("novelty_check", { candidate })).is_novel) return "known";
  let job = await call("train_one_epoch", { candidate, dataset: DATASET });
  facts.num_polls = 0;
  while (["queued", "running"].includes(job.state) && facts.num_polls < NUM_POLLS) {
    job = await call("get_job", { job_id: job.job_id, wait_s: way.wait });
    facts.num_polls += 1;
  }
  if (job.state !== "done") throw new Error(`the job is ${job.state}: ${job.error || job.message}`);
  facts.id = job.training.id;
  facts.accuracy = job.training.accuracy;
  return job.training.status;
}

export async function search(way, call, facts) {
  facts.num_architectures = (await call("list_architectures", {})).total;
  const { source, hparams_json } = await call("get_architecture", { architecture: BASELINE });
  facts.source_lines = source.split("\n").length - 1;
  const slow = source.replace(LEARN, SLOW_LEARN);
  await call("import_baseline", { name: PARENT, source: slow, hparams_json });
  facts.refusal = "";
  try {
    await call("get_architecture", { architecture: UNKNOWN });
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    facts.refusal = error.message;
  }
  facts.tries = [];
  for (let seed = way.seed; seed < way.seed + NUM_SEEDS; seed += 1) {
    facts.tries.push(await tried(way, call, seed, facts));
    if (facts.tries.at(-1) === "kept") break;
  }
  const page = await call("list_architectures", { dataset: DATASET, limit: 100 });
  facts.listed_accuracy = page.items.find((each) => each.id === facts.id)?.accuracy ?? null;
  return facts;
}

export function tell(facts) {
  process.stdout.write(JSON.stringify(facts) + "\n");
}
