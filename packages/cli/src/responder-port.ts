/** Where Scout's responders listen unless told otherwise, over TCP and UDP. */
export const responderPort = 8081
