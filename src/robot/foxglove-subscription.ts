/** Which channel of one connection carries our topic, and what is subscribed of it: one channel at most. */
import { parseMessageFrame, parseServerText, subscribeText, unsubscribeText } from "./foxglove-frames.ts";
import type { Channel, MessageFrame } from "./foxglove-frames.ts";

/** Names of so many other topics are kept, to say what a server has when ours is missing. */
const NAMES_KEPT = 20;

/** Follows the topic through channels that are advertised late, taken back and advertised anew. */
export class FoxgloveSubscription {
  readonly #topic: string;
  readonly #send: (text: string) => void;
  readonly #otherTopics = new Set<string>();
  #channelId: number | null = null;
  #subscriptionId = 0;
  /** Whether the subscription in force has brought a message. */
  #isProven = false;
  #unreadableEncoding: string | null = null;

  constructor(topic: string, send: (text: string) => void) {
    this.#topic = topic;
    this.#send = send;
  }

  get isSubscribed(): boolean {
    return this.#channelId !== null;
  }

  /** Why nothing is subscribed, in words for the user. */
  get whyNot(): string {
    if (this.#unreadableEncoding !== null) {
      return `${this.#topic} is encoded as ${JSON.stringify(this.#unreadableEncoding)}, not as json`;
    }
    const others = [...this.#otherTopics];
    return `it has no topic ${this.#topic} (${others.length === 0 ? "none yet" : `but ${others.join(", ")}`})`;
  }

  /** A text of the server: subscribes when the topic appears. */
  takeText(text: string): void {
    const message = parseServerText(text);
    if (message?.op === "advertise") for (const channel of message.channels) this.#advertised(channel);
    if (message?.op === "unadvertise" && message.channelIds.some((id) => id === this.#channelId)) {
      // The server has dropped the subscription with its channel.
      this.#channelId = null;
    }
  }

  /** A binary frame; null unless it is a message of our topic. */
  takeFrame(bytes: ArrayBuffer): MessageFrame | null {
    const frame = parseMessageFrame(bytes);
    // Frames of a subscription given up may still be on their way.
    if (frame?.subscriptionId !== this.#subscriptionId || !this.isSubscribed) return null;
    this.#isProven = true;
    return frame;
  }

  /**
   * Subscribe again if nothing has come: foxglove-sdk (seen with 0.25.3) may refuse a channel as unknown that it has
   * just advertised, and then sends nothing for ever. To be called now and then.
   */
  renewUnproven(): void {
    const channelId = this.#channelId;
    if (channelId !== null && !this.#isProven) this.#subscribe(channelId);
  }

  #advertised(channel: Channel): void {
    if (channel.topic !== this.#topic) {
      if (this.#otherTopics.size < NAMES_KEPT) this.#otherTopics.add(channel.topic.slice(0, 60));
      return;
    }
    if (channel.encoding !== "json") {
      this.#unreadableEncoding = channel.encoding.slice(0, 30);
      return;
    }
    if (channel.id === this.#channelId) return;
    this.#unreadableEncoding = null;
    this.#subscribe(channel.id);
  }

  #subscribe(channelId: number): void {
    if (this.#channelId !== null) this.#send(unsubscribeText(this.#subscriptionId));
    this.#channelId = channelId;
    this.#isProven = false;
    this.#send(subscribeText(++this.#subscriptionId, channelId));
  }
}
