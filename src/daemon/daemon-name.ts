/** What daemons are called: after the scene that they work for, unless told otherwise. */
import { MAIN_SCENE, SCENE_NAME } from "../api/limits.ts";

/** What names are made of: any scene's name is one. */
export const DAEMON_NAME = SCENE_NAME;

/** What a daemon is called that works for the main scene, and which one is meant where none is named. */
export const DEFAULT_DAEMON = MAIN_SCENE;
