// Calls of a host that wait for their answers: a message to the other side has a number, and its answer has the same.

export function createCalls() {
  const waiting = new Map();
  let number = 0;
  return {
    // Sends a message by its number, and promises the answer.
    ask(send) {
      const id = ++number;
      return new Promise((resolve, reject) => {
        waiting.set(id, { resolve, reject });
        send(id);
      });
    },
    settle({ id, error, answer }) {
      const asked = waiting.get(id);
      if (!asked) return;
      waiting.delete(id);
      if (error === undefined) asked.resolve(answer);
      else asked.reject(new Error(error));
    },
    // The other side is gone; screens leave 'lost' to the message of that.
    lose(error = 'lost') {
      for (const { reject } of waiting.values()) reject(new Error(error));
      waiting.clear();
    },
    get count() { return waiting.size; },
  };
}

// Questions of which only the newest counts: `use` gets its answer, or `fail` what went wrong in words; of a lost connection the frame of the screens
// speaks. isOpen: whether anybody still waits.
export function createNewest(isOpen = () => true) {
  let asked = 0;
  return {
    /** @param {Promise<any>} answer  @param {(answer: any) => any} use  @param {(text: string) => void} fail */
    async ask(answer, use, fail) {
      const mine = ++asked, counts = () => mine === asked && isOpen();
      try {
        const found = await answer;
        if (counts()) await use(found);
      } catch (error) {
        if (counts() && error.message !== 'lost') fail(error.message);
      }
    },
    forget() { asked += 1; },
  };
}
