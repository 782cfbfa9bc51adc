// A dedicated worker that runs the job it is sent.

import { run } from "/run.mjs"

onmessage = message => run(message.data)
